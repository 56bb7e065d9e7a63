// The gradient of a table: each row is the sum of the gradients at its indices.

#include "vectors.h"

namespace {

template <class S>
void embedding_backward(int R, int count, int V, int N, const int64_t* row, const S* gradient, S* to) {
    std::memset(to, 0, sizeof(S) * R * V * N);
    for (int r = 0; r < R; r++, to += static_cast<ptrdiff_t>(V) * N)
        for (int p = 0; p < count; p++, row++, gradient += N)
            for_row<S>(N, [&](int i, int n) {
                S* at = to + *row * N + i;
                store_some(at, n, load_some(at, n) + load_some(gradient + i, n));
            });
}

}  // namespace

// Exported with the sizes R, indices of a replica, V and N; then tensors.
#define EXPORT(S)                                                                 \
    extern "C" void embedding_backward_##S(const int* n, S** p) {                    \
        auto row = reinterpret_cast<const int64_t*>(p[0]);                        \
        embedding_backward<S>(n[0], n[1], n[2], n[3], row, p[1], p[2]);              \
    }

EXPORT(float)
EXPORT(double)

extern "C" int vector_bytes() { return BYTES; }

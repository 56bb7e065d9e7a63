// A residual layer of attention from a single step to a cache, for decoding:
// x + out_proj(heads of in_proj(norm(x))), where a head is softmax(q Kᵀ / √d) V.

#include "stepwise.h"

namespace {

// The attention of a head.
template <class S> class HeadStep {
    static constexpr int L = LANES<S>;
    const int d;
    Scratch<S> weights;

    // Scores times log2(e) of a vector of keys; -inf from the `count`-th on.
    Vector<S> score(const S* query, const S* key, const int* index, int count) const {
        Vector<S> sum[L] = {};
        for_row<S>(d, [&](int i, int n) {
            const Vector<S> q = load_some(query + i, n);
#pragma GCC unroll 16
            for (int k = 0; k < L; k++) sum[k] += q * load_some(key + index[k] * d + i, n);
        });
        transpose<S>(sum);
#pragma GCC unroll 16
        for (int k = 1; k < L; k++) sum[0] += sum[k];
        sum[0] *= static_cast<S>(M_LOG2E / std::sqrt(d));
        for (int k = count; k < L; k++) sum[0][k] = -INFINITY;
        return sum[0];
    }

public:
    HeadStep(int keys, int d) : d(d), weights(scratch<S>(keys)) {}

    // index: the steps of the keys that are not masked, padded to a whole number of vectors.
    void operator()(
        const S* query, const S* key, const S* value, const int* index, int count, S* result
    ) {
        Vector<S> largest = Vector<S>{} - INFINITY, sums{};
        for (int first = 0; first < count; first += L) {
            Vector<S> s = score(query, key, index + first, count - first);
            largest = largest > s ? largest : s;
            store(weights.get() + first, s);
        }
        S highest = largest[0], sum = 0;
        for (int l = 1; l < L; l++) highest = highest > largest[l] ? highest : largest[l];
        for (int first = 0; first < count; first += L) {  // padding gets 2^-90, as good as 0
            Vector<S> p = exp2(load(weights.get() + first) - highest);
            sums += p;
            store(weights.get() + first, p);
        }
        for (int l = 0; l < L; l++) sum += sums[l];
        for_row<S>(d, [&](int i, int n) {
            constexpr int APART = 4 < L ? 4 : L;  // independent sums
            Vector<S> read[APART] = {};
            for (int first = 0; first < count; first += APART)
#pragma GCC unroll 4
                for (int k = 0; k < APART; k++) {
                    const S* row = value + index[first + k] * d + i;
                    read[k] += weights[first + k] * load_some(row, n);
                }
            for (int k = 1; k < APART; k++) read[0] += read[k];
            store_some(result + i, n, count ? read[0] / sum : read[0]);
        });
    }
};

// A vector of a head transposed by its step's angles, if there are any.
template <class S> void rotate(int d, const S* cosine, const S* sine, S* x) {
    const int half = d / 2;
    for (int i = 0; cosine && i < half; i++) {
        const S a = x[i], b = x[i + half];
        x[i] = a * cosine[i] + b * sine[i];
        x[i + half] = b * cosine[i + half] + a * sine[i + half];
    }
}

struct Sizes {
    int B, H, keys, room, D, rows;  // rows: of in_proj
};

// Vectors run over examples in products. Keys and values are (room, d) for each head of each example.
// Where in_proj gives keys and values too, these become the last of the cache.
template <class S, int W>
void attention_step(
    Sizes n, const S* x, const S* scale, const S* shift, const S* in_proj, const S* out_proj,
    const S* bias, const S* cosine, const S* sine, const uint8_t* mask, S* key, S* value, S* result
) {
    constexpr int block = BLOCK<S, W>;
    const int D = n.D, d = D / n.H, wide = padded_columns<S>(n.rows);
    const ptrdiff_t head = static_cast<ptrdiff_t>(n.room) * d, last = (n.keys - 1) * d;
    Norm<S, W> norm(D);
    HeadStep<S> step(n.keys, d);
    std::unique_ptr<int[]> index(new int[n.keys + LANES<S>]);
    auto columns = scratch<S>(n.rows * block), rows = scratch<S>(block * wide);
    auto attended = scratch<S>(block * D), output = scratch<S>(block * D);
    for_blocks<S, W>(n.B, [&](size_t begin, int count) {
        norm.read(count, x + begin * D, scale, shift);
        multiply<S, W>(n.rows, D, {in_proj, D, 1}, norm.steps.get(), block, columns.get(), block);
        transposed_rows<S, W>(n.rows, columns.get(), block, rows.get());
        for (int b = 0; b < count; b++, mask += mask ? n.keys : 0) {
            int visible = 0;
            for (int k = 0; k < n.keys; k++)
                if (!mask || mask[k]) index[visible++] = k;
            std::fill_n(index.get() + visible, LANES<S>, visible ? index[0] : 0);
            for (int i = 0; i < D; i += d, key += head, value += head) {
                S* now = rows.get() + b * wide + i;
                rotate(d, cosine, sine, now);
                if (n.rows > D) {
                    rotate(d, cosine, sine, now + D);
                    copy(key + last, now + D, d), copy(value + last, now + 2 * D, d);
                }
                step(now, key, value, index.get(), visible, attended.get() + b * D + i);
            }
        }
        transposed<S, W>(count, D, D, attended.get(), columns.get(), block);
        multiply<S, W>(D, D, {out_proj, D, 1}, columns.get(), block, output.get(), block);
        for_vectors<S, W>(D, [&](int i, int, int at) {
            store(output.get() + at, load(output.get() + at) + bias[i]);
        });
        add_transposed<S, W>(count, D, output.get(), block, x + begin * D, result + begin * D);
    });
}

template <class S> void run(const int* n, S** p) {
    const Sizes sizes = {n[0], n[1], n[2], n[3], n[4], n[5]};
    (sizes.B > LANES<S> ? attention_step<S, 2> : attention_step<S, 1>)(
        sizes, p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7],
        reinterpret_cast<const uint8_t*>(p[8]), p[9], p[10], p[11]
    );
}

}  // namespace

// Exported with the sizes B, H, keys, room for keys, D and rows of in_proj; then tensors.
extern "C" void attention_step_float(const int* n, float** p) { run(n, p); }
extern "C" void attention_step_double(const int* n, double** p) { run(n, p); }

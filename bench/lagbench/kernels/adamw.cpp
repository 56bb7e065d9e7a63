// One step of AdamW on rows of parameters, each with its own rate and gradient clipping.

#include "vectors.h"

namespace {

// What all rows have in common, in the order of `adamw.py`.
template <class S> struct Settings {
    S decay, clip, factor;  // weight decay, the largest norm, the factor of the rates
    S to_mean, to_square, kept, step_size, correction, eps;
};

template <class S> S norm(int P, const S* x) {
    Vector<S> squares{};
    for_row<S>(P, [&](int i, int n) {
        Vector<S> v = load_some(x + i, n);
        squares += v * v;
    });
    S sum = 0;
    for (int l = 0; l < LANES<S>; l++) sum += squares[l];
    return std::sqrt(sum);
}

template <class S>
void adamw(
    int R, int P, const Settings<S>& all, const S* rates, const S* gradient, S* parameters, S* mean,
    S* square, uint8_t* finite, S* norms, S* clipped
) {
    for (int r = 0; r < R; r++, gradient += P, parameters += P, mean += P, square += P) {
        const S size = norm(P, gradient);
        finite[r] &= std::isfinite(size);
        if (!finite[r]) continue;
        norms[r] += size;
        clipped[r] += size > all.clip;
        const S share = all.clip / (size + static_cast<S>(1e-6)), scale = share < 1 ? share : 1;
        const S rate = rates[r] * all.factor, kept = 1 - rate * all.decay, move = rate * all.step_size;
        for_row<S>(P, [&](int i, int n) {
            Vector<S> g = load_some(gradient + i, n) * scale, m = load_some(mean + i, n);
            m += (g - m) * all.to_mean;
            Vector<S> s = load_some(square + i, n) * all.kept + g * g * all.to_square;
            Vector<S> p = load_some(parameters + i, n) * kept;
            p -= quotient(m, root<S>(s) * all.correction + all.eps) * move;
            store_some(mean + i, n, m), store_some(square + i, n, s);
            store_some(parameters + i, n, p);
        });
    }
}

template <class S> void step(const int* n, S** p) {
    auto all = reinterpret_cast<const Settings<S>*>(p[0]);
    auto finite = reinterpret_cast<uint8_t*>(p[6]);
    adamw<S>(n[0], n[1], *all, p[1], p[2], p[3], p[4], p[5], finite, p[7], p[8]);
}

}  // namespace

// Exported with the sizes R and P; then tensors.
extern "C" void adamw_float(const int* n, float** p) { step(n, p); }
extern "C" void adamw_double(const int* n, double** p) { step(n, p); }

// The gated recurrent unit, whose equations are in `gru.py`.

#include "recurrence.h"

namespace {

template <class S>
void gru(
    Sizes n, const S* x, const S* source, const S* weight, const S* bias, const S* initial,
    S* gates, S* new_gate, S* hidden
) {
    const int B = n.B, H = n.H;
    const size_t state = static_cast<size_t>(B) * H;
    Product<S> product(H, 3 * H);
    Inputs<S> inputs(n, 3 * H, x, source);
    auto now = scratch<S>(3 * state);
    for (int r = 0; r < n.R; r++, bias += H) {
        inputs.begin(r);
        product.pack(weight + static_cast<size_t>(r) * 3 * H * H, 1, H);
        const S* before = initial + r * state;
        for (int t = 0; t < n.T; t++) {
            product(B, before, H, nullptr, now.get());
            const S* x = inputs(r, t);
            for (int b = 0; b < B; b++) {
                const S *w = now.get() + b * 3 * H, *h = before + b * H;
                for_overlapping<S>(H, [&](int j) {
                    Vector<S> reset = sigmoid(load(x + j) + load(w + j));
                    Vector<S> keep = sigmoid(load(x + H + j) + load(w + H + j));
                    Vector<S> through = load(w + 2 * H + j) + load(bias + j);
                    Vector<S> n = tanh(load(x + 2 * H + j) + reset * through);
                    store(gates + j, reset);
                    store(gates + H + j, keep);
                    store(gates + 2 * H + j, through);
                    store(new_gate + j, n);
                    store(hidden + j, n + keep * (load(h + j) - n));
                });
                x += 3 * H, gates += 3 * H, new_gate += H, hidden += H;
            }
            before = hidden - state;
        }
    }
}

// Pre-activations are h_n, r, z and x_n: the first three of the state, the last three of inputs.
template <class S>
void gru_backward(
    Sizes n, const S* source, const S* weight, const S* initial, const S* hidden, const S* gates,
    const S* new_gate, const S* gradient, S* carried, S* to_x, S* to_weight, S* to_bias
) {
    const int B = n.B, H = n.H;
    const size_t state = static_cast<size_t>(B) * H;
    Product<S> product(3 * H, H);
    GradAccumulator<S> grads(n, 3 * H, 3 * H, 4 * H, initial, hidden, source, to_x);
    auto rolled = scratch<S>(static_cast<size_t>(3) * H * H), kept = scratch<S>(state);
    for (int r = 0; r < n.R; r++, carried += state, to_bias += H) {
        const S* w = weight + static_cast<size_t>(r) * 3 * H * H;
        copy(rolled.get(), w + 2 * H * H, H * H);
        copy(rolled.get() + H * H, w, 2 * H * H);
        product.pack(rolled.get(), H, 1);
        copy(carried, gradient + n.step(r, n.T - 1) * H, state);
        for (int t = n.T - 1; t >= 0; t--) {
            const size_t step = n.step(r, t);
            const S* before = t ? hidden + (step - B) * H : initial + r * state;
            const S* arriving = t ? gradient + (step - B) * H : nullptr;
            S* sums = grads(t);
            for (int b = 0; b < B; b++) {
                const S *g = gates + (step + b) * 3 * H, *n = new_gate + (step + b) * H;
                S* q = sums + b * grads.row;
                for_overlapping<S>(H, [&](int j) {
                    Vector<S> d = load(carried + b * H + j), now = load(n + j);
                    Vector<S> reset = load(g + j), keep = load(g + H + j);
                    Vector<S> to_x = d * (1 - keep) * (1 - now * now);
                    Vector<S> past = d * keep;
                    store(q + j, to_x * reset);
                    store(q + H + j, to_x * load(g + 2 * H + j) * reset * (1 - reset));
                    store(q + 2 * H + j, (load(before + b * H + j) - now) * past * (1 - keep));
                    store(q + 3 * H + j, to_x);
                    store(kept.get() + b * H + j, t ? past + load(arriving + b * H + j) : past);
                });
            }
            product(B, sums, grads.row, kept.get(), carried);
            grads.accumulate(r, t);
        }
        copy(to_bias, grads.totals(), H);
        grads.write(r, 2 * H, to_weight);
    }
}

}  // namespace

EXPORT(gru, gru<S>, p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7])
EXPORT(gru_backward, gru_backward<S>, p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[8], p[9], p[10])

// The simple recurrence, whose equations are in `rnn.py`.

#include "recurrence.h"

namespace {

template <class S, bool RELU>
void rnn(Sizes n, const S* x, const S* source, const S* weight, const S* initial, S* hidden) {
    const int B = n.B, H = n.H;
    const size_t state = static_cast<size_t>(B) * H;
    Product<S> product(H, H);
    Inputs<S> inputs(n, H, x, source);
    auto now = scratch<S>(state);
    for (int r = 0; r < n.R; r++) {
        inputs.begin(r);
        product.pack(weight + static_cast<size_t>(r) * H * H, 1, H);
        const S* h = initial + r * state;
        for (int t = 0; t < n.T; t++, hidden += state) {
            product(B, h, H, inputs(r, t), now.get());
            for_overlapping<S>(B * H, [&](int j) {
                Vector<S> a = load(now.get() + j);
                store(hidden + j, RELU ? relu<S>(a) : tanh(a));
            });
            h = hidden;
        }
    }
}

template <class S, bool RELU>
void rnn_backward(
    Sizes n, const S* source, const S* weight, const S* initial, const S* hidden, const S* gradient,
    S* carried, S* to_x, S* to_weight
) {
    const int B = n.B, H = n.H;
    const size_t state = static_cast<size_t>(B) * H;
    Product<S> product(H, H);
    GradAccumulator<S> grads(n, H, H, H, initial, hidden, source, to_x);
    for (int r = 0; r < n.R; r++, carried += state) {
        product.pack(weight + static_cast<size_t>(r) * H * H, H, 1);
        copy(carried, gradient + n.step(r, n.T - 1) * H, state);
        for (int t = n.T - 1; t >= 0; t--) {
            const size_t at = n.step(r, t) * H;
            S* sums = grads(t);
            for (int b = 0; b < B; b++)
                for_overlapping<S>(H, [&](int j) {
                    Vector<S> h = load(hidden + at + b * H + j), d = load(carried + b * H + j);
                    Vector<S> slope = RELU ? (h > 0 ? d : Vector<S>{}) : d * (1 - h * h);
                    store(sums + b * grads.row + j, slope);
                });
            product(B, sums, grads.row, t ? gradient + at - state : nullptr, carried);
            grads.accumulate(r, t);
        }
        grads.write(r, 0, to_weight);
    }
}

}  // namespace

EXPORT(rnn, EITHER(rnn, n[6]), p[0], p[1], p[2], p[3], p[4])
EXPORT(rnn_backward, EITHER(rnn_backward, n[6]), p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7])

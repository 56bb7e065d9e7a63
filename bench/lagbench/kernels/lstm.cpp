// The long short-term memory, whose equations are in `lstm.py`.

#include "recurrence.h"

namespace {

template <class S, bool PEEPHOLES>
void lstm(
    Sizes n, const S* x, const S* source, const S* weight, const S* initial, const S* cell,
    const S* peepholes, S* gates, S* cells, S* hidden
) {
    const int B = n.B, H = n.H;
    const size_t state = static_cast<size_t>(B) * H;
    Product<S> product(H, 4 * H);
    Inputs<S> inputs(n, 4 * H, x, source);
    auto now = scratch<S>(4 * state);
    for (int r = 0; r < n.R; r++, peepholes += PEEPHOLES ? 3 * H : 0) {
        inputs.begin(r);
        product.pack(weight + static_cast<size_t>(r) * 4 * H * H, 1, H);
        const S *h = initial + r * state, *before = cell + r * state;
        for (int t = 0; t < n.T; t++) {
            product(B, h, H, inputs(r, t), now.get());
            for (int b = 0; b < B; b++) {
                const S *a = now.get() + b * 4 * H, *c = before + b * H, *p = peepholes;
                for_overlapping<S>(H, [&](int j) {
                    Vector<S> i = load(a + j), f = load(a + H + j), o = load(a + 3 * H + j);
                    Vector<S> past = load(c + j), n = tanh(load(a + 2 * H + j));
                    if (PEEPHOLES) {
                        i += load(p + j) * past;
                        f += load(p + H + j) * past;
                    }
                    i = sigmoid(i), f = sigmoid(f);
                    Vector<S> next = f * past + i * n;
                    if (PEEPHOLES) o += load(p + 2 * H + j) * next;
                    o = sigmoid(o);
                    store(gates + j, i);
                    store(gates + H + j, f);
                    store(gates + 2 * H + j, n);
                    store(gates + 3 * H + j, o);
                    store(cells + j, next);
                    store(hidden + j, o * tanh(next));
                });
                gates += 4 * H, cells += H, hidden += H;
            }
            h = hidden - state, before = cells - state;
        }
    }
}

// carried_c: on entry the gradient of the last cell, on return that of the initial one.
template <class S, bool PEEPHOLES>
void lstm_backward(
    Sizes n, const S* source, const S* weight, const S* initial, const S* cell, const S* peepholes,
    const S* gates, const S* cells, const S* hidden, const S* gradient, S* carried, S* carried_c,
    S* to_x, S* to_weight, S* to_peepholes
) {
    const int B = n.B, H = n.H;
    const size_t state = static_cast<size_t>(B) * H;
    Product<S> product(4 * H, H);
    GradAccumulator<S> grads(n, 4 * H, 4 * H, 4 * H, initial, hidden, source, to_x);
    auto earlier_c = scratch<S>(state), sums_p = scratch<S>(3 * H);
    for (int r = 0; r < n.R; r++, carried += state, carried_c += state) {
        product.pack(weight + static_cast<size_t>(r) * 4 * H * H, H, 1);
        copy(carried, gradient + n.step(r, n.T - 1) * H, state);
        if (PEEPHOLES) std::memset(to_peepholes, 0, sizeof(S) * 3 * H);
        for (int t = n.T - 1; t >= 0; t--) {
            const size_t step = n.step(r, t);
            const S* before = t ? cells + (step - B) * H : cell + r * state;
            S* sums = grads(t);
            for (int b = 0; b < B; b++) {
                const size_t row = step + b;
                const S *g = gates + row * 4 * H, *p = peepholes;
                S* q = sums + b * grads.row;
                for_overlapping<S>(H, [&](int j) {
                    Vector<S> i = load(g + j), f = load(g + H + j), n = load(g + 2 * H + j);
                    Vector<S> o = load(g + 3 * H + j), now = load(cells + row * H + j);
                    Vector<S> c = tanh(now), past_c = load(before + b * H + j);
                    Vector<S> d = load(carried + b * H + j);
                    Vector<S> to_o = d * c * o * (1 - o);
                    Vector<S> to_c = load(carried_c + b * H + j) + d * o * (1 - c * c);
                    if (PEEPHOLES) to_c += to_o * load(p + 2 * H + j);
                    Vector<S> to_i = to_c * n * i * (1 - i);
                    Vector<S> to_f = to_c * past_c * f * (1 - f);
                    Vector<S> past = to_c * f;
                    if (PEEPHOLES) {
                        past += to_i * load(p + j) + to_f * load(p + H + j);
                        store(sums_p.get() + j, to_i * past_c + load(to_peepholes + j));
                        store(sums_p.get() + H + j, to_f * past_c + load(to_peepholes + H + j));
                        store(sums_p.get() + 2 * H + j, to_o * now + load(to_peepholes + 2 * H + j));
                    }
                    store(q + j, to_i);
                    store(q + H + j, to_f);
                    store(q + 2 * H + j, to_c * i * (1 - n * n));
                    store(q + 3 * H + j, to_o);
                    store(earlier_c.get() + b * H + j, past);
                });
                if (PEEPHOLES) copy(to_peepholes, sums_p.get(), 3 * H);
            }
            copy(carried_c, earlier_c.get(), state);
            product(B, sums, grads.row, t ? gradient + (step - B) * H : nullptr, carried);
            grads.accumulate(r, t);
        }
        grads.write(r, 0, to_weight);
        if (PEEPHOLES) peepholes += 3 * H, to_peepholes += 3 * H;
    }
}

}  // namespace

EXPORT(lstm, EITHER(lstm, p[5]), p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[8])
EXPORT(
    lstm_backward, EITHER(lstm_backward, p[4]), p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7],
    p[8], p[9], p[10], p[11], p[12], p[13]
)

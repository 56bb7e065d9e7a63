// The loops over time of layers.rnn, layers.gru and layers.lstm, whose equations stand there.
//
// R replicas come one after another, each with all its steps, so that its weights and its state
// stay in the cache nearest to the core. Tensors are dense: steps [R][T][B][N], states [R][B][H],
// weights [R][G * H][H]. H is at least the width of a vector.

#include "loops.h"

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
            across<S>(B * H, [&](int j) {
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
    Back<S> back(n, H, H, H, initial, hidden, source, to_x);
    for (int r = 0; r < n.R; r++, carried += state) {
        product.pack(weight + static_cast<size_t>(r) * H * H, H, 1);
        copy(carried, gradient + n.step(r, n.T - 1) * H, state);
        for (int t = n.T - 1; t >= 0; t--) {
            const size_t at = n.step(r, t) * H;
            S* sums = back(t);
            for (int b = 0; b < B; b++)
                across<S>(H, [&](int j) {
                    Vector<S> h = load(hidden + at + b * H + j), d = load(carried + b * H + j);
                    Vector<S> slope = RELU ? (h > 0 ? d : Vector<S>{}) : d * (1 - h * h);
                    store(sums + b * back.row + j, slope);
                });
            product(B, sums, back.row, t ? gradient + at - state : nullptr, carried);
            back.done(r, t);
        }
        back.end(r, 0, to_weight);
    }
}

template <class S>
void gru(
    Sizes n, const S* x, const S* source, const S* weight, const S* bias, const S* initial,
    S* gates, S* fresh, S* hidden
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
                across<S>(H, [&](int j) {
                    Vector<S> reset = sigmoid(load(x + j) + load(w + j));
                    Vector<S> keep = sigmoid(load(x + H + j) + load(w + H + j));
                    Vector<S> through = load(w + 2 * H + j) + load(bias + j);
                    Vector<S> n = tanh(load(x + 2 * H + j) + reset * through);
                    store(gates + j, reset);
                    store(gates + H + j, keep);
                    store(gates + 2 * H + j, through);
                    store(fresh + j, n);
                    store(hidden + j, n + keep * (load(h + j) - n));
                });
                x += 3 * H, gates += 3 * H, fresh += H, hidden += H;
            }
            before = hidden - state;
        }
    }
}

// A step's sums are of h_n, r, z and x_n: the first three of the state, the last three of inputs.
template <class S>
void gru_backward(
    Sizes n, const S* source, const S* weight, const S* initial, const S* hidden, const S* gates,
    const S* fresh, const S* gradient, S* carried, S* to_x, S* to_weight, S* to_bias
) {
    const int B = n.B, H = n.H;
    const size_t state = static_cast<size_t>(B) * H;
    Product<S> product(3 * H, H);
    Back<S> back(n, 3 * H, 3 * H, 4 * H, initial, hidden, source, to_x);
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
            S* sums = back(t);
            for (int b = 0; b < B; b++) {
                const S *g = gates + (step + b) * 3 * H, *n = fresh + (step + b) * H;
                S* q = sums + b * back.row;
                across<S>(H, [&](int j) {
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
            product(B, sums, back.row, kept.get(), carried);
            back.done(r, t);
        }
        copy(to_bias, back.totals(), H);
        back.end(r, 2 * H, to_weight);
    }
}

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
                across<S>(H, [&](int j) {
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

// carried_c begins as the gradient of the last cell, and ends as that of the first.
template <class S, bool PEEPHOLES>
void lstm_backward(
    Sizes n, const S* source, const S* weight, const S* initial, const S* cell, const S* peepholes,
    const S* gates, const S* cells, const S* hidden, const S* gradient, S* carried, S* carried_c,
    S* to_x, S* to_weight, S* to_peepholes
) {
    const int B = n.B, H = n.H;
    const size_t state = static_cast<size_t>(B) * H;
    Product<S> product(4 * H, H);
    Back<S> back(n, 4 * H, 4 * H, 4 * H, initial, hidden, source, to_x);
    auto earlier_c = scratch<S>(state), told = scratch<S>(3 * H);
    for (int r = 0; r < n.R; r++, carried += state, carried_c += state) {
        product.pack(weight + static_cast<size_t>(r) * 4 * H * H, H, 1);
        copy(carried, gradient + n.step(r, n.T - 1) * H, state);
        if (PEEPHOLES) std::memset(to_peepholes, 0, sizeof(S) * 3 * H);
        for (int t = n.T - 1; t >= 0; t--) {
            const size_t step = n.step(r, t);
            const S* before = t ? cells + (step - B) * H : cell + r * state;
            S* sums = back(t);
            for (int b = 0; b < B; b++) {
                const size_t row = step + b;
                const S *g = gates + row * 4 * H, *p = peepholes;
                S* q = sums + b * back.row;
                across<S>(H, [&](int j) {
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
                        store(told.get() + j, to_i * past_c + load(to_peepholes + j));
                        store(told.get() + H + j, to_f * past_c + load(to_peepholes + H + j));
                        store(told.get() + 2 * H + j, to_o * now + load(to_peepholes + 2 * H + j));
                    }
                    store(q + j, to_i);
                    store(q + H + j, to_f);
                    store(q + 2 * H + j, to_c * i * (1 - n * n));
                    store(q + 3 * H + j, to_o);
                    store(earlier_c.get() + b * H + j, past);
                });
                if (PEEPHOLES) copy(to_peepholes, told.get(), 3 * H);
            }
            copy(carried_c, earlier_c.get(), state);
            product(B, sums, back.row, t ? gradient + (step - B) * H : nullptr, carried);
            back.done(r, t);
        }
        back.end(r, 0, to_weight);
        if (PEEPHOLES) peepholes += 3 * H, to_peepholes += 3 * H;
    }
}

Sizes sizes(const int* n) {
    return {n[0], n[1], n[2], n[3], static_cast<decltype(Sizes::form)>(n[4]), n[5]};
}

}  // namespace

// As the library exports them, for both precisions: sizes R, T, B, H, form of inputs and rows of
// their table, and a choice; then tensors.
#define EXPORT(name, kernel, ...)                                                               \
    extern "C" void name##_float(const int* n, float** p) {                                     \
        typedef float S;                                                                        \
        (kernel)(sizes(n), __VA_ARGS__);                                                        \
    }                                                                                           \
    extern "C" void name##_double(const int* n, double** p) {                                   \
        typedef double S;                                                                       \
        (kernel)(sizes(n), __VA_ARGS__);                                                        \
    }
#define EITHER(kernel, choice) choice ? kernel<S, true> : kernel<S, false>
#define FIVE p[0], p[1], p[2], p[3], p[4]
#define EIGHT FIVE, p[5], p[6], p[7]

EXPORT(rnn, EITHER(rnn, n[6]), FIVE)
EXPORT(rnn_backward, EITHER(rnn_backward, n[6]), EIGHT)
EXPORT(gru, gru<S>, EIGHT)
EXPORT(gru_backward, gru_backward<S>, EIGHT, p[8], p[9], p[10])
EXPORT(lstm, EITHER(lstm, p[5]), EIGHT, p[8])
EXPORT(
    lstm_backward, EITHER(lstm_backward, p[4]), EIGHT, p[8], p[9], p[10], p[11], p[12], p[13]
)

extern "C" int vector_bytes() { return BYTES; }

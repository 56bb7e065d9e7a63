// The loops over time of layers.rnn, layers.gru and layers.lstm, whose equations stand there.
//
// R replicas come one after another, each with all its steps, so that its weights and its state
// stay in the cache nearest to the core. Tensors are dense: steps [R][T][B][N], states [R][B][H],
// weights [R][G * H][H]. H is at least the width of a vector.

#include "product.h"

namespace {

template <class S, bool RELU>
void rnn(int R, int T, int B, int H, const S* x, const S* weight, const S* initial, S* hidden) {
    const size_t state = static_cast<size_t>(B) * H;
    Product<S> product(H, H);
    auto now = scratch<S>(state);
    for (int r = 0; r < R; r++) {
        product.pack(weight + static_cast<size_t>(r) * H * H, 1, H);
        const S* h = initial + r * state;
        for (int t = 0; t < T; t++, x += state, hidden += state) {
            product(B, h, H, x, now.get());
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
    int R, int T, int B, int H, const S* weight, const S* hidden, const S* gradient, S* deltas,
    S* carried
) {
    const size_t state = static_cast<size_t>(B) * H;
    Product<S> product(H, H);
    for (int r = 0; r < R; r++, carried += state) {
        product.pack(weight + static_cast<size_t>(r) * H * H, H, 1);
        copy(carried, gradient + ((r + 1) * static_cast<size_t>(T) - 1) * state, state);
        for (int t = T - 1; t >= 0; t--) {
            const size_t at = (r * static_cast<size_t>(T) + t) * state;
            across<S>(B * H, [&](int j) {
                Vector<S> h = load(hidden + at + j), d = load(carried + j);
                store(deltas + at + j, RELU ? (h > 0 ? d : Vector<S>{}) : d * (1 - h * h));
            });
            product(B, deltas + at, H, t ? gradient + at - state : nullptr, carried);
        }
    }
}

template <class S>
void gru(
    int R, int T, int B, int H, const S* x, const S* weight, const S* bias, const S* initial,
    S* gates, S* fresh, S* hidden
) {
    const size_t state = static_cast<size_t>(B) * H;
    Product<S> product(H, 3 * H);
    auto now = scratch<S>(3 * state);
    for (int r = 0; r < R; r++, bias += H) {
        product.pack(weight + static_cast<size_t>(r) * 3 * H * H, 1, H);
        const S* before = initial + r * state;
        for (int t = 0; t < T; t++) {
            product(B, before, H, nullptr, now.get());
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

// deltas: [R][T][B][4 * H], of h_n, r, z and x_n.
template <class S>
void gru_backward(
    int R, int T, int B, int H, const S* weight, const S* initial, const S* hidden, const S* gates,
    const S* fresh, const S* gradient, S* deltas, S* carried
) {
    const size_t state = static_cast<size_t>(B) * H;
    Product<S> product(3 * H, H);
    auto rolled = scratch<S>(static_cast<size_t>(3) * H * H), kept = scratch<S>(state);
    for (int r = 0; r < R; r++, carried += state) {
        const S* w = weight + static_cast<size_t>(r) * 3 * H * H;
        copy(rolled.get(), w + 2 * H * H, H * H);
        copy(rolled.get() + H * H, w, 2 * H * H);
        product.pack(rolled.get(), H, 1);
        copy(carried, gradient + ((r + 1) * static_cast<size_t>(T) - 1) * state, state);
        for (int t = T - 1; t >= 0; t--) {
            const size_t step = r * static_cast<size_t>(T) + t;
            const S* before = t ? hidden + (step - 1) * state : initial + r * state;
            const S* arriving = t ? gradient + (step - 1) * state : nullptr;
            for (int b = 0; b < B; b++) {
                const size_t row = step * B + b;
                const S *g = gates + row * 3 * H, *n = fresh + row * H;
                S* q = deltas + row * 4 * H;
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
            product(B, deltas + step * B * 4 * H, 4 * H, kept.get(), carried);
        }
    }
}

template <class S, bool PEEPHOLES>
void lstm(
    int R, int T, int B, int H, const S* x, const S* weight, const S* initial, const S* cell,
    const S* peepholes, S* gates, S* cells, S* hidden
) {
    const size_t state = static_cast<size_t>(B) * H;
    Product<S> product(H, 4 * H);
    auto now = scratch<S>(4 * state);
    for (int r = 0; r < R; r++, peepholes += PEEPHOLES ? 3 * H : 0) {
        product.pack(weight + static_cast<size_t>(r) * 4 * H * H, 1, H);
        const S *h = initial + r * state, *before = cell + r * state;
        for (int t = 0; t < T; t++, x += 4 * state) {
            product(B, h, H, x, now.get());
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
    int R, int T, int B, int H, const S* weight, const S* peepholes, const S* cell, const S* gates,
    const S* cells, const S* gradient, S* deltas, S* carried, S* carried_c
) {
    const size_t state = static_cast<size_t>(B) * H;
    Product<S> product(4 * H, H);
    auto earlier_c = scratch<S>(state);
    for (int r = 0; r < R; r++, carried += state, carried_c += state) {
        product.pack(weight + static_cast<size_t>(r) * 4 * H * H, H, 1);
        copy(carried, gradient + ((r + 1) * static_cast<size_t>(T) - 1) * state, state);
        for (int t = T - 1; t >= 0; t--) {
            const size_t step = r * static_cast<size_t>(T) + t;
            const S* before = t ? cells + (step - 1) * state : cell + r * state;
            for (int b = 0; b < B; b++) {
                const size_t row = step * B + b;
                const S *g = gates + row * 4 * H, *p = peepholes;
                S* q = deltas + row * 4 * H;
                across<S>(H, [&](int j) {
                    Vector<S> i = load(g + j), f = load(g + H + j), n = load(g + 2 * H + j);
                    Vector<S> o = load(g + 3 * H + j), c = tanh(load(cells + row * H + j));
                    Vector<S> d = load(carried + b * H + j);
                    Vector<S> to_o = d * c * o * (1 - o);
                    Vector<S> to_c = load(carried_c + b * H + j) + d * o * (1 - c * c);
                    if (PEEPHOLES) to_c += to_o * load(p + 2 * H + j);
                    Vector<S> to_i = to_c * n * i * (1 - i);
                    Vector<S> to_f = to_c * load(before + b * H + j) * f * (1 - f);
                    Vector<S> past = to_c * f;
                    if (PEEPHOLES) past += to_i * load(p + j) + to_f * load(p + H + j);
                    store(q + j, to_i);
                    store(q + H + j, to_f);
                    store(q + 2 * H + j, to_c * i * (1 - n * n));
                    store(q + 3 * H + j, to_o);
                    store(earlier_c.get() + b * H + j, past);
                });
            }
            copy(carried_c, earlier_c.get(), state);
            const S* arriving = t ? gradient + (step - 1) * state : nullptr;
            product(B, deltas + step * B * 4 * H, 4 * H, arriving, carried);
        }
        peepholes += PEEPHOLES ? 3 * H : 0;
    }
}

}  // namespace

// As the library exports them, for both precisions: sizes R, T, B, H and a choice; then tensors.
#define EXPORT(name, kernel, ...)                                                               \
    extern "C" void name##_float(const int* n, float** p) {                                     \
        typedef float S;                                                                        \
        (kernel)(n[0], n[1], n[2], n[3], __VA_ARGS__);                                          \
    }                                                                                           \
    extern "C" void name##_double(const int* n, double** p) {                                   \
        typedef double S;                                                                       \
        (kernel)(n[0], n[1], n[2], n[3], __VA_ARGS__);                                          \
    }
#define EITHER(kernel, choice) choice ? kernel<S, true> : kernel<S, false>

EXPORT(rnn, EITHER(rnn, n[4]), p[0], p[1], p[2], p[3])
EXPORT(rnn_backward, EITHER(rnn_backward, n[4]), p[0], p[1], p[2], p[3], p[4])
EXPORT(gru, gru<S>, p[0], p[1], p[2], p[3], p[4], p[5], p[6])
EXPORT(gru_backward, gru_backward<S>, p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7])
EXPORT(lstm, EITHER(lstm, p[4]), p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7])
EXPORT(
    lstm_backward, EITHER(lstm_backward, p[1]), p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[8]
)

extern "C" int vector_bytes() { return BYTES; }

// What the loops over time share: what every step reads of its inputs, and what inputs and weights
// are told on the way back.
//
// The gradients of what a step adds up stay in the nearest caches, for some steps together, until
// all that depends on them has been found.

#pragma once

#include "blocks.h"
#include "product.h"

#include <algorithm>

// Replicas, steps, examples and units; and in what form inputs come.
struct Sizes {
    int R, T, B, H;
    enum { PROJECTED, SYMBOLS, VALUES } form;
    int rows;  // of the table that belongs to symbols or values

    int values() const { return rows - 1; }
    size_t step(int r, int t) const { return (r * static_cast<size_t>(T) + t) * B; }
};

// `W x + b` of every step's examples, (B, N). Inputs are that already; or they name rows of a table
// [R][rows][N] as symbols [R][T][B]; or they are values [R][T][B][rows - 1], times all its rows but
// the last, which is b.
template <class S> class Inputs {
    const Sizes n;
    const int N;
    const S *x, *values;
    const int64_t* symbols;
    Product<S> product;
    Scratch<S> found;

    const S* table(int r) const { return x + static_cast<size_t>(r) * n.rows * N; }

public:
    Inputs(Sizes n, int N, const S* x, const S* source)
        : n(n), N(N), x(x), values(source), symbols(reinterpret_cast<const int64_t*>(source)),
          product(n.form == n.VALUES ? n.values() : 0, N),
          found(scratch<S>(static_cast<size_t>(n.B) * N)) {}

    // Before the first step of a replica.
    void begin(int r) {
        if (n.form == n.VALUES) product.pack(table(r), N, 1);
    }

    const S* operator()(int r, int t) {
        const size_t step = n.step(r, t);
        if (n.form == n.PROJECTED) return x + step * N;
        if (n.form == n.SYMBOLS)
            for (int b = 0; b < n.B; b++) copy(&found[b * N], table(r) + symbols[step + b] * N, N);
        else
            product(
                n.B, values + step * n.values(), n.values(), table(r) + n.values() * N, 0,
                found.get()
            );
        return found.get();
    }
};

// What the sums of every step are told, the last step first: a recurrent weight (M, H) times a state
// (B, H), whose product went into columns [0, M), and inputs, which went into columns [N - K, N).
template <class S> class Back {
    static constexpr int MANY = 128;  // rows that are brought together at a time

    const Sizes n;
    const int M, K, N, wide, most;
    const bool summed;
    const S *initial, *hidden, *values;
    const int64_t* symbols;
    S* to_x;
    Scratch<S> sums, weight, table, total;  // [steps][B][wide], [H][wide], [rows][wide], [wide]

    // Rows of an odd number of vectors, or a column of them would be in one set of a cache.
    static int odd(int columns) { return columns + (columns / LANES<S> % 2 ? 0 : LANES<S>); }

    static Scratch<S> zeros(size_t count) {
        auto made = scratch<S>(count);
        std::memset(made.get(), 0, sizeof(S) * count);
        return made;
    }

    // to (width, columns) += states (count, width), turned, @ their sums from column `of` on
    void meet(int count, int width, const S* states, const S* of, int columns, S* to) const {
        gather<S>(width, count, columns, {states, 1, width}, of, wide, to);
    }

    // What came in at some steps, (count, …), is told.
    void inputs(size_t first, int count) {
        const S* of = sums.get() + N - K;
        if (n.form == n.PROJECTED)
            for (int k = 0; k < count; k++) copy(to_x + (first + k) * K, of + k * wide, K);
        else if (n.form == n.VALUES)
            meet(count, n.values(), values + first * n.values(), of, K, table.get());
        else
            for (int k = 0; k < count; k++)
                add(table.get() + symbols[first + k] * wide, of + k * wide, K);
    }

    void add(S* to, const S* row, int columns) const {
        for (int j = 0; j < columns; j += LANES<S>) store(to + j, load(to + j) + load(row + j));
    }

public:
    Back(
        Sizes n, int M, int K, int N, const S* initial, const S* hidden, const S* source, S* to_x
    )
        : n(n), M(M), K(K), N(N), wide(odd(deep<S>(N))),
          most((MANY + n.B - 1) / std::max(1, n.B)), summed(n.form == n.VALUES || K < N),
          initial(initial), hidden(hidden), values(source),
          symbols(reinterpret_cast<const int64_t*>(source)), to_x(to_x),
          sums(zeros(static_cast<size_t>(most) * n.B * wide)),
          weight(zeros(static_cast<size_t>(n.H) * wide)),
          table(zeros(static_cast<size_t>(n.rows) * wide)), total(zeros(wide)) {}

    const int row = wide;  // how far apart rows are

    // Where the gradients (B, N) of a step's sums are to be put.
    S* operator()(int t) { return sums.get() + static_cast<size_t>(t % most) * n.B * wide; }

    // They are there.
    void done(int r, int t) {
        if (t % most) return;
        const int steps = std::min(most, n.T - t), count = steps * n.B;
        const size_t first = n.step(r, t), state = static_cast<size_t>(n.B) * n.H;
        const S* of = sums.get();
        if (t == 0) meet(n.B, n.H, initial + r * state, of, M, weight.get());
        const int begun = t == 0 ? n.B : 0;  // whose state was not the initial one
        if (count > begun)
            meet(
                count - begun, n.H, hidden + (first + begun - n.B) * n.H, of + begun * wide, M,
                weight.get()
            );
        for (int k = 0; summed && k < count; k++) add(total.get(), of + k * wide, N);
        inputs(first, count);
    }

    // A replica is through: its weight's gradient, rolled by some rows; and that of its table.
    void end(int r, int roll, S* to_weight) {
        to_weight += static_cast<size_t>(r) * M * n.H;
        for (int j = 0; j < M; j++)
            for (int i = 0; i < n.H; i++) to_weight[(j + roll) % M * n.H + i] = weight[i * wide + j];
        S* to = to_x + static_cast<size_t>(r) * n.rows * K;
        for (int i = 0; i < n.rows; i++, to += K) copy(to, &table[i * wide], K);
        if (n.form == n.VALUES) copy(to - K, &total[N - K], K);
        std::memset(weight.get(), 0, sizeof(S) * n.H * wide);
        std::memset(table.get(), 0, sizeof(S) * n.rows * wide);
        std::memset(total.get(), 0, sizeof(S) * wide);
    }

    const S* totals() const { return total.get(); }
};

static inline Sizes sizes(const int* n) {
    return {n[0], n[1], n[2], n[3], static_cast<decltype(Sizes::form)>(n[4]), n[5]};
}

// Export a kernel for both precisions: sizes R, T, B, H, the form of the inputs and the rows of their
// table, and a choice; then tensors.
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

// What the loops over time share: the inputs of every step, and the gradients of inputs and weights.
//
// R replicas come one after another, each with all its steps, so that its weights and its state stay in
// the nearest cache. Tensors are dense: steps [R][T][B][N], states [R][B][H], weights [R][G * H][H]. H
// is at least the width of a vector.

#pragma once

#include "blocks.h"
#include "product.h"

#include <algorithm>

// Replicas, steps, examples and units; and the form of the inputs.
struct Sizes {
    int R, T, B, H;
    enum { PROJECTED, SYMBOLS, VALUES } form;
    int rows;  // of the table that belongs to symbols or values

    int values() const { return rows - 1; }
    size_t step(int r, int t) const { return (r * static_cast<size_t>(T) + t) * B; }
};

// `W x + b` (B, N) of every step: the inputs themselves; or the rows of a table [R][rows][N] that
// symbols [R][T][B] name; or values [R][T][B][rows - 1] times all rows but the last, plus the last.
template <class S> class Inputs {
    const Sizes n;
    const int N;
    const S *x, *values;
    const int64_t* symbols;
    Product<S> product;
    Scratch<S> projected;

    const S* table(int r) const { return x + static_cast<size_t>(r) * n.rows * N; }

public:
    Inputs(Sizes n, int N, const S* x, const S* source)
        : n(n), N(N), x(x), values(source), symbols(reinterpret_cast<const int64_t*>(source)),
          product(n.form == n.VALUES ? n.values() : 0, N),
          projected(scratch<S>(static_cast<size_t>(n.B) * N)) {}

    // Before the first step of a replica.
    void begin(int r) {
        if (n.form == n.VALUES) product.pack(table(r), N, 1);
    }

    const S* operator()(int r, int t) {
        const size_t step = n.step(r, t);
        if (n.form == n.PROJECTED) return x + step * N;
        if (n.form == n.SYMBOLS)
            for (int b = 0; b < n.B; b++) copy(&projected[b * N], table(r) + symbols[step + b] * N, N);
        else
            product(
                n.B, values + step * n.values(), n.values(), table(r) + n.values() * N, 0,
                projected.get()
            );
        return projected.get();
    }
};

// Accumulates gradients from those of every step's pre-activations (B, N), the last step first. Columns
// [0, M) are products of a recurrent weight (M, H) and a state (B, H), columns [N - K, N) are inputs.
//
// Pre-activations of some steps stay in the nearest cache until they have been accumulated.
template <class S> class GradAccumulator {
    static constexpr int MANY = 128;  // rows that are accumulated at a time

    const Sizes n;
    const int M, K, N, wide, block;
    const bool totalled;
    const S *initial, *hidden, *values;
    const int64_t* symbols;
    S* to_x;
    Scratch<S> sums, weight, table, total;  // [steps][B][wide], [H][wide], [rows][wide], [wide]

    // An odd number of vectors, so that a column does not map to one set of a cache.
    static int odd(int columns) { return columns + (columns / LANES<S> % 2 ? 0 : LANES<S>); }

    static Scratch<S> zeros(size_t count) {
        auto memory = scratch<S>(count);
        std::memset(memory.get(), 0, sizeof(S) * count);
        return memory;
    }

    // to (width, columns) += statesᵀ (width, count) @ of (count, columns)
    void accumulate_outer(
        int count, int width, const S* states, const S* of, int columns, S* to
    ) const {
        multiply_add<S>(width, count, columns, {states, 1, width}, of, wide, to);
    }

    // Accumulate into the gradient of the inputs or of their table.
    void accumulate_inputs(size_t first, int count) {
        const S* of = sums.get() + N - K;
        if (n.form == n.PROJECTED)
            for (int k = 0; k < count; k++) copy(to_x + (first + k) * K, of + k * wide, K);
        else if (n.form == n.VALUES)
            accumulate_outer(count, n.values(), values + first * n.values(), of, K, table.get());
        else
            for (int k = 0; k < count; k++)
                add(table.get() + symbols[first + k] * wide, of + k * wide, K);
    }

    void add(S* to, const S* row, int columns) const {
        for (int j = 0; j < columns; j += LANES<S>) store(to + j, load(to + j) + load(row + j));
    }

public:
    GradAccumulator(
        Sizes n, int M, int K, int N, const S* initial, const S* hidden, const S* source, S* to_x
    )
        : n(n), M(M), K(K), N(N), wide(odd(padded_columns<S>(N))),
          block((MANY + n.B - 1) / std::max(1, n.B)), totalled(n.form == n.VALUES || K < N),
          initial(initial), hidden(hidden), values(source),
          symbols(reinterpret_cast<const int64_t*>(source)), to_x(to_x),
          sums(zeros(static_cast<size_t>(block) * n.B * wide)),
          weight(zeros(static_cast<size_t>(n.H) * wide)),
          table(zeros(static_cast<size_t>(n.rows) * wide)), total(zeros(wide)) {}

    const int row = wide;  // distance of the rows of pre-activations

    // Where to write the gradients (B, N) of a step's pre-activations.
    S* operator()(int t) { return sums.get() + static_cast<size_t>(t % block) * n.B * wide; }

    // Accumulate them, if this step is the first of its block.
    void accumulate(int r, int t) {
        if (t % block) return;
        const int steps = std::min(block, n.T - t), count = steps * n.B;
        const size_t first = n.step(r, t), state = static_cast<size_t>(n.B) * n.H;
        const S* of = sums.get();
        if (t == 0) accumulate_outer(n.B, n.H, initial + r * state, of, M, weight.get());
        const int initials = t == 0 ? n.B : 0;  // rows that read the initial state
        if (count > initials)
            accumulate_outer(
                count - initials, n.H, hidden + (first + initials - n.B) * n.H, of + initials * wide, M,
                weight.get()
            );
        for (int k = 0; totalled && k < count; k++) add(total.get(), of + k * wide, N);
        accumulate_inputs(first, count);
    }

    // Write a replica's gradients of the weight, its rows rolled by `roll`, and of the table.
    void write(int r, int roll, S* to_weight) {
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

// Export a kernel for both precisions. It takes the sizes R, T, B, H, the form of the inputs, the rows
// of their table and perhaps a choice; then tensors.
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

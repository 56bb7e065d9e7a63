// The norm of every step, and the gradients of weights.

#pragma once

#include "blocks.h"

constexpr double EPSILON = 1e-5;  // of the norm

// n sums over steps, one per lane; `reduce` adds up the lanes.
template <class S> class Sums {
    const int n;
    Scratch<S> lanes;

    void clear() { std::memset(lanes.get(), 0, sizeof(S) * n * LANES<S>); }

public:
    explicit Sums(int n) : n(n), lanes(scratch<S>(n * LANES<S>)) { clear(); }

    void add(int i, Vector<S> x) {
        S* at = lanes.get() + i * LANES<S>;
        store(at, load(at) + x);
    }

    void reduce(S* to) {
        for (int i = 0; i < n; i++) {
            to[i] = 0;
            for (int l = 0; l < LANES<S>; l++) to[i] += lanes[i * LANES<S> + l];
        }
        clear();
    }
};

// Layer norm of a block of steps.
template <class S, int W> class Norm {
    const int D;
    const S share = static_cast<S>(1) / D;
    Scratch<S> standard;  // steps of mean 0 and variance 1
    Vector<S> rate[W];    // one over their standard deviation
    Sums<S> to_scale, to_shift;

public:
    Scratch<S> steps;  // [D][step]

    explicit Norm(int D)
        : D(D), standard(scratch<S>(D * BLOCK<S, W>)), to_scale(D), to_shift(D),
          steps(scratch<S>(D * BLOCK<S, W>)) {}

    // x: (count, D).
    void read(int count, const S* x, const S* scale, const S* shift) {
        transposed<S, W>(count, D, D, x, steps.get(), BLOCK<S, W>);
        Vector<S> mean[W] = {}, variance[W] = {};
        for_vectors<S, W>(D, [&](int, int w, int at) { mean[w] += load(steps.get() + at); });
        for_vectors<S, W>(D, [&](int, int w, int at) {
            Vector<S> far = load(steps.get() + at) - mean[w] * share;
            variance[w] += far * far;
            store(standard.get() + at, far);
        });
        for (int w = 0; w < W; w++)
            rate[w] = 1 / root<S>(variance[w] * share + static_cast<S>(EPSILON));
        for_vectors<S, W>(D, [&](int i, int w, int at) {
            Vector<S> x = load(standard.get() + at) * rate[w];
            store(standard.get() + at, x);
            store(steps.get() + at, x * scale[i] + shift[i]);
        });
    }

    // Turn the gradient [D][step] of the outputs into that of the inputs, in place.
    void backward(S* gradient, const S* scale) {
        Vector<S> mean[W] = {}, along[W] = {};
        for_vectors<S, W>(D, [&](int i, int w, int at) {
            Vector<S> d = load(gradient + at), x = load(standard.get() + at);
            to_scale.add(i, d * x);
            to_shift.add(i, d);
            d *= scale[i];
            mean[w] += d * share;
            along[w] += d * x * share;
            store(gradient + at, d);
        });
        for_vectors<S, W>(D, [&](int, int w, int at) {
            Vector<S> d = load(gradient + at) - mean[w] - load(standard.get() + at) * along[w];
            store(gradient + at, d * rate[w]);
        });
    }

    void reduce(S* scale, S* shift) { to_scale.reduce(scale), to_shift.reduce(shift); }
};

// The gradient (N, D) of a weight: a sum over steps of outer products.
template <class S, int W> class OuterProducts {
    const int N, D, wide;
    Scratch<S> rows, sums;  // [step][wide], [N][wide]

public:
    OuterProducts(int N, int D)
        : N(N), D(D), wide(padded_columns<S>(D)), rows(scratch<S>(BLOCK<S, W> * wide)),
          sums(scratch<S>(static_cast<size_t>(N) * wide)) {
        std::memset(sums.get(), 0, sizeof(S) * N * wide);
    }

    // a: (N, steps); b: [D][step], rows `b_row` apart.
    void add(Matrix<S> a, const S* b, int b_row) {
        transposed_rows<S, W>(D, b, b_row, rows.get());
        multiply_add<S>(N, BLOCK<S, W>, D, a, rows.get(), wide, sums.get());
    }

    void reduce(S* to, int by_row, int by_column) {
        for (int j = 0; j < N; j++)
            for (int i = 0; i < D; i++) to[j * by_row + i * by_column] = sums[j * wide + i];
        std::memset(sums.get(), 0, sizeof(S) * N * wide);
    }
};

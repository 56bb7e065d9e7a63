// Products of a few rows with one small matrix that many of them follow.

#pragma once

#include "vectors.h"

// A matrix (K, N), N >= LANES, packed once in panels of some columns, each [K][columns].
template <class S> class Product {
#if defined(__AVX512F__)
    static constexpr int ROWS = 8, PANEL = 3;  // sums that fill the registers
#else
    static constexpr int ROWS = 4, PANEL = 2;
#endif
    const int K, N, vectors;
    Scratch<S> packed;

    int column(int v) const {
        int j = v * LANES<S>;
        return j + LANES<S> <= N ? j : N - LANES<S>;
    }

    template <int M, int W>
    void tile(
        const S* a, int stride, const S* panel, int v, const S* add, int add_row, S* out
    ) const {
        Vector<S> sum[M][W];
        for (int m = 0; m < M; m++)
            for (int w = 0; w < W; w++)
                sum[m][w] = add ? load(add + m * add_row + column(v + w)) : Vector<S>{};
        for (int k = 0; k < K; k++) {
            Vector<S> row[W];
            for (int w = 0; w < W; w++) row[w] = load(panel + (k * W + w) * LANES<S>);
            for (int m = 0; m < M; m++)
                for (int w = 0; w < W; w++) sum[m][w] += a[m * stride + k] * row[w];
        }
        for (int m = 0; m < M; m++)
            for (int w = 0; w < W; w++) store(out + m * N + column(v + w), sum[m][w]);
    }

    template <int W, int M = ROWS>
    void columns(
        int B, const S* a, int stride, const S* panel, int v, const S* add, int add_row, S* out
    ) const {
        int b = 0;
        for (; b + M <= B; b += M, a += M * stride, add += add ? M * add_row : 0, out += M * N)
            tile<M, W>(a, stride, panel, v, add, add_row, out);
        if constexpr (M > 1)
            columns<W, (M > 2 ? 2 : 1)>(B - b, a, stride, panel, v, add, add_row, out);
    }

public:
    Product(int K, int N)
        : K(K), N(N), vectors((N + LANES<S> - 1) / LANES<S>),
          packed(scratch<S>(static_cast<size_t>(K) * vectors * LANES<S>)) {}

    // The matrix whose entry (k, n) lies at w[k * by_k + n * by_n].
    void pack(const S* w, int by_k, int by_n) {
        S* to = packed.get();
        for (int v = 0; v < vectors; v += PANEL) {
            int width = vectors - v < PANEL ? vectors - v : PANEL;
            for (int k = 0; k < K; k++)
                for (int u = v; u < v + width; u++)
                    for (int l = 0; l < LANES<S>; l++) *to++ = w[k * by_k + (column(u) + l) * by_n];
        }
    }

    // out (B, N) = add + a (B, K) @ matrix; the rows of a are `stride` apart, and those of add, which
    // is zeros if it is null, add_row.
    void operator()(int B, const S* a, int stride, const S* add, int add_row, S* out) const {
        const S* panel = packed.get();
        int v = 0;
        for (; v + PANEL <= vectors; v += PANEL, panel += static_cast<size_t>(PANEL) * K * LANES<S>)
            columns<PANEL>(B, a, stride, panel, v, add, add_row, out);
        if (PANEL > 2 && vectors - v == 2) columns<2>(B, a, stride, panel, v, add, add_row, out);
        if (vectors - v == 1) columns<1>(B, a, stride, panel, v, add, add_row, out);
    }
    void operator()(int B, const S* a, int stride, const S* add, S* out) const {
        (*this)(B, a, stride, add, N, out);
    }
};

// Blocks of W vectors of steps, as [feature][step], and products that meet them.

#pragma once

#include "vectors.h"

#include <algorithm>

#if defined(__AVX512F__)
constexpr int TALL = 12;  // rows of 2 vectors whose sums fill the registers
#else
constexpr int TALL = 5;
#endif
// What is unrolled into hundreds of lines, once for all places that call it.
#define NOT_INLINED __attribute__((noinline))

template <class S, int W> constexpr int BLOCK = W * LANES<S>;

// A matrix whose entry (row, column) lies at row * by_row + column * by_column.
template <class S> struct Matrix {
    const S* at;
    int by_row, by_column;
};

// Sums stay in registers for a compiler that sees each by itself: i is the N * m + n-th of them.
template <class S, int N, bool ADD, size_t... i>
static inline void tile(
    int K, Matrix<S> a, const S* b, ptrdiff_t b_row, S* c, ptrdiff_t c_row,
    std::index_sequence<i...>
) {
    constexpr int L = LANES<S>;
    Vector<S> sum[] = {(ADD ? load(c + i / N * c_row + i % N * L) : Vector<S>{})...};
    for (ptrdiff_t k = 0, row = a.by_row; k < K; k++, a.at += a.by_column, b += b_row)
        ((sum[i] += a.at[i / N * row] * load(b + i % N * L)), ...);
    (store(c + i / N * c_row + i % N * L, sum[i]), ...);
}

template <class S, int N, bool ADD, int M = TALL>
static inline void rows(int count, int K, Matrix<S> a, const S* b, int b_row, S* c, int c_row) {
    if (count == M)
        return tile<S, N, ADD>(K, a, b, b_row, c, c_row, std::make_index_sequence<M * N>());
    if constexpr (M > 1) rows<S, N, ADD, M - 1>(count, K, a, b, b_row, c, c_row);
}

// c (M, N vectors) = a (M, K) @ b (K, N vectors), or that ADDed to c; in tiles as high as each other.
template <class S, int N, bool ADD = false>
NOT_INLINED static void multiply(
    int M, int K, Matrix<S> a, const S* b, int b_row, S* c, int c_row
) {
    int tiles = (M + TALL - 1) / TALL;
    for (ptrdiff_t i = 0, m = 0; i < tiles; i++) {
        int count = (M - m + tiles - i - 1) / (tiles - i);
        Matrix<S> part = {a.at + m * a.by_row, a.by_row, a.by_column};
        rows<S, N, ADD>(count, K, part, b, b_row, c + m * c_row, c_row);
        m += count;
    }
}

// Columns in whole vectors.
template <class S> static inline int deep(int columns) {
    return (columns + LANES<S> - 1) / LANES<S> * LANES<S>;
}

// to (M, D) += a (M, K) @ rows (K, D), both of whose rows are whole vectors, `wide` apart.
template <class S>
static inline void gather(int M, int K, int D, Matrix<S> a, const S* rows, int wide, S* to) {
    constexpr int L = LANES<S>;
    int i = 0;
    for (; i + 2 * L <= deep<S>(D); i += 2 * L)
        multiply<S, 2, true>(M, K, a, rows + i, wide, to + i, wide);
    if (i < D) multiply<S, 1, true>(M, K, a, rows + i, wide, to + i, wide);
}

// f(begin, count) for each block of N steps.
template <class S, int W, class F> static inline void blocks(int N, F f) {
    for (int begin = 0; begin < N; begin += BLOCK<S, W>)
        f(static_cast<size_t>(begin), std::min(BLOCK<S, W>, N - begin));
}

// f(feature, vector, place) for every vector of a block of D features.
template <class S, int W, class F> static inline void over(int D, F f) {
    for (int i = 0; i < D; i++)
        for (int w = 0; w < W; w++) f(i, w, i * BLOCK<S, W> + w * LANES<S>);
}

// f(rows, columns, first row, first column) for each part of a (count, D) matrix whose rows are
// blocks: as many rows and at most as many columns as a vector has lanes.
template <class S, int W, class F> static inline void parts(int D, F f) {
    for (int first = 0; first < BLOCK<S, W>; first += LANES<S>)
        for (int i = 0; i < D; i += LANES<S>) f(std::min(LANES<S>, D - i), first, i);
}

// Steps (count, D), `stride` apart, as columns [D][step] whose rows are `wide` apart; what is left
// of the block is zeros.
template <class S, int W>
NOT_INLINED static void turned(int count, int D, size_t stride, const S* from, S* to, int wide) {
    parts<S, W>(D, [&](int columns, int first, int i) {
        Vector<S> v[LANES<S>];
#pragma GCC unroll 16
        for (int l = 0; l < LANES<S>; l++) {
            const S* row = from + (first + l) * stride + i;
            v[l] = first + l < count ? load_some(row, columns) : Vector<S>{};
        }
        transpose<S>(v);
#pragma GCC unroll 16
        for (int l = 0; l < LANES<S>; l++)
            if (l < columns) store(to + (i + l) * wide + first, v[l]);
    });
}

// Columns [D][step], `wide` apart, as rows; f(step, feature, columns, vector) takes parts of them.
template <class S, int W, class F>
static inline void turned_back(int D, const S* from, int wide, F f) {
    parts<S, W>(D, [&](int columns, int first, int i) {
        Vector<S> v[LANES<S>];
#pragma GCC unroll 16
        for (int l = 0; l < LANES<S>; l++)
            v[l] = l < columns ? load(from + (i + l) * wide + first) : Vector<S>{};
        transpose<S>(v);
#pragma GCC unroll 16
        for (int l = 0; l < LANES<S>; l++) f(first + l, i, columns, v[l]);
    });
}

// to (count, D) = add (count, D) + the steps of columns [D][step], `wide` apart.
template <class S, int W>
NOT_INLINED static void returned(int count, int D, const S* from, int wide, const S* add, S* to) {
    turned_back<S, W>(D, from, wide, [&](int s, int i, int columns, Vector<S> v) {
        if (s >= count) return;
        const size_t at = static_cast<size_t>(s) * D + i;
        store_some(to + at, columns, v + load_some(add + at, columns));
    });
}

// Steps [step][deep(D)] of columns [D][step], `wide` apart; what is left of a row is zeros.
template <class S, int W>
NOT_INLINED static void as_rows(int D, const S* from, int wide, S* to) {
    turned_back<S, W>(D, from, wide, [&](int s, int i, int, Vector<S> v) {
        store(to + static_cast<size_t>(s) * deep<S>(D) + i, v);
    });
}

// Group normalisation, ReLU and pooling of one picture, and their derivatives.
//
// Sums are taken per channel, then shared within its group; so all loops run over vectors of channels, whatever
// the size of a group. Only the winner of a pooling window passes a gradient: `winner` holds its place in the
// window (0..3), or -1 where the ReLU cuts it off.
#pragma once
#include <cmath>

#include "vectors.hpp"

namespace conv4 {

// Sizes of the convolution's output, and how its channels are grouped.
struct Plane {
    Index h, w, f, groups;
    Index ph() const { return h / 2; }
    Index pw() const { return w / 2; }
    Index pixel(Index i, Index j) const { return (i * w + j) * f; }
    Index bordered(Index i, Index j) const { return ((i + 1) * (w + 2) + j + 1) * f; }
    Index pooled(Index i, Index j) const { return (i * pw() + j) * f; }
    Index pooled_bordered(Index i, Index j) const { return ((i + 1) * (pw() + 2) + j + 1) * f; }
};

// What the derivatives need of a plane, and the plane itself.
template <class T>
struct Normal {
    T *unit;    // [h][w][f] normalised
    T *best;    // [h/2][w/2][f] normalised, at the winners
    T *winner;  // [h/2][w/2][f] integers in the bits of T
    T *scale;   // [f] one over the standard deviation
};

template <class T>
void share_mean(const Plane &plane, T *sums) {
    const Index size = plane.f / plane.groups;
    const T count = static_cast<T>(size * plane.h * plane.w);
    for (Index first = 0; first < plane.f; first += size) {
        T total = 0;
        for (Index c = first; c < first + size; ++c) total += sums[c];
        for (Index c = first; c < first + size; ++c) sums[c] = total / count;
    }
}

// Every window of a pooling, then the pixels that belong to none.
template <class Window, class Rest>
inline void visit(const Plane &plane, Window window, Rest rest) {
    for (Index i = 0; i < plane.ph(); ++i)
        for (Index j = 0; j < plane.pw(); ++j) window(i, j);
    for (Index i = 0; i < 2 * plane.ph(); ++i)
        for (Index j = 2 * plane.pw(); j < plane.w; ++j) rest(i, j);
    for (Index i = 2 * plane.ph(); i < plane.h; ++i)
        for (Index j = 0; j < plane.w; ++j) rest(i, j);
}

// Sum over pixels of value(offset), for one vector of channels; four sums keep the adder busy.
template <class T, class Value>
inline Vector<T> total(const Plane &plane, Value value) {
    const Index n = plane.h * plane.w;
    Vector<T> sum[4] = {};
    Index at = 0;
    for (; at + 4 <= n; at += 4)
#pragma GCC unroll 4
        for (int k = 0; k < 4; ++k) sum[k] += value((at + k) * plane.f);
    for (; at < n; ++at) sum[0] += value(at * plane.f);
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

// Normalises `unit` in place; `out` is the bordered input of the next block. `sums`: 2 f numbers of scratch.
template <class T>
void normalise(const Plane &plane, T eps, const Normal<T> &normal, const T *gain, const T *shift, T *out, T *sums) {
    constexpr Index L = Lanes<T>::count;
    T *mean = sums, *scale = normal.scale;
    for (Index v = 0; v < plane.f; v += L)
        store(mean + v, total<T>(plane, [&](Index at) { return load(normal.unit + at + v); }));
    share_mean(plane, mean);
    for (Index v = 0; v < plane.f; v += L) {
        const Vector<T> centre = load(mean + v);
        store(scale + v, total<T>(plane, [&](Index at) {
                  const Vector<T> off = load(normal.unit + at + v) - centre;
                  return off * off;
              }));
    }
    share_mean(plane, scale);
    for (Index c = 0; c < plane.f; ++c) scale[c] = T(1) / std::sqrt(scale[c] + eps);
    for (Index v = 0; v < plane.f; v += L) {
        const Vector<T> centre = load(mean + v), factor = load(scale + v);
        const Vector<T> g = load(gain + v), s = load(shift + v), none = {};
        auto place = [&](Index i, Index j) {
            T *at = normal.unit + plane.pixel(i, j) + v;
            const Vector<T> unit = (load(at) - centre) * factor;
            store(at, unit);
            return unit;
        };
        visit(
            plane,
            [&](Index i, Index j) {
                Vector<T> unit = place(2 * i, 2 * j), value = g * unit + s;
                Mask<T> winner = {};
#pragma GCC unroll 4
                for (int k = 1; k < 4; ++k) {
                    const Vector<T> other = place(2 * i + k / 2, 2 * j + k % 2), rival = g * other + s;
                    const Mask<T> wins = rival > value;
                    value = wins ? rival : value;
                    unit = wins ? other : unit;
                    winner = wins ? Mask<T>{} + k : winner;
                }
                const Mask<T> dead = value <= none;
                store(normal.best + plane.pooled(i, j) + v, unit);
                store(normal.winner + plane.pooled(i, j) + v, winner | dead);
                store(out + plane.pooled_bordered(i, j) + v, dead ? none : value);
            },
            place);
    }
}

// Derivative of `normalise`: `dot.unit` holds that of the convolution, and becomes that of the normalised one.
// `dot.scale` becomes the relative derivative of the scale.
template <class T>
void normalise_dot(const Plane &plane, const Normal<T> &normal, const Normal<T> &dot, const T *gain,
                   const T *gain_dot, const T *shift_dot, T *out, T *sums) {
    constexpr Index L = Lanes<T>::count;
    T *constant = sums, *growth = dot.scale;
    for (Index v = 0; v < plane.f; v += L) {
        store(constant + v, total<T>(plane, [&](Index at) { return load(dot.unit + at + v); }));
        store(growth + v, total<T>(plane, [&](Index at) {
                  return load(dot.unit + at + v) * load(normal.unit + at + v);
              }));
    }
    share_mean(plane, constant);
    share_mean(plane, growth);
    for (Index c = 0; c < plane.f; ++c) {
        constant[c] *= -normal.scale[c];
        growth[c] *= -normal.scale[c];
    }
    for (Index v = 0; v < plane.f; v += L) {
        const Vector<T> b = load(constant + v), c = load(growth + v), a = load(normal.scale + v);
        const Vector<T> g = load(gain + v), g_dot = load(gain_dot + v), s_dot = load(shift_dot + v), none = {};
        auto place = [&](Index i, Index j) {
            T *at = dot.unit + plane.pixel(i, j) + v;
            const Vector<T> unit = a * load(at) + b + c * load(normal.unit + plane.pixel(i, j) + v);
            store(at, unit);
            return unit;
        };
        visit(
            plane,
            [&](Index i, Index j) {
                const Index at = plane.pooled(i, j) + v;
                const Mask<T> winner = load_mask(normal.winner + at);
                Vector<T> best = {};
#pragma GCC unroll 4
                for (int k = 0; k < 4; ++k) {
                    const Vector<T> unit = place(2 * i + k / 2, 2 * j + k % 2);
                    best = winner == k ? unit : best;
                }
                store(dot.best + at, best);
                const Vector<T> value = g_dot * load(normal.best + at) + g * best + s_dot;
                store(out + plane.pooled_bordered(i, j) + v, winner < 0 ? none : value);
            },
            place);
    }
}

}  // namespace conv4

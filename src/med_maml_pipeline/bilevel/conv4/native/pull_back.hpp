// Gradients through pooling, ReLU and group normalisation of one picture, and their derivatives.
#pragma once
#include "normalise.hpp"

namespace conv4 {

// Where a block's gradients go: each adds to what is there.
template <class T>
struct Sinks {
    T *bias, *gain, *shift;
};

// Per channel, d_y = at * d + constant + unit * slope at the winners, without d elsewhere.
template <class T>
struct Coefficients {
    T *at, *constant, *slope;
};

template <class T>
void coefficients(const Plane &plane, const Normal<T> &normal, const T *gain, const T *d_shift, const T *d_gain,
                  const Coefficients<T> &to) {
    for (Index c = 0; c < plane.f; ++c) {
        to.constant[c] = gain[c] * d_shift[c];
        to.slope[c] = gain[c] * d_gain[c];
    }
    share_mean(plane, to.constant);
    share_mean(plane, to.slope);
    for (Index c = 0; c < plane.f; ++c) {
        to.at[c] = normal.scale[c] * gain[c];
        to.constant[c] *= -normal.scale[c];
        to.slope[c] *= -normal.scale[c];
    }
}

// d_out [h/2][w/2][f] to d_y, bordered. `sums`: 5 f numbers of scratch.
template <class T>
void pull_back(const Plane &plane, const Normal<T> &normal, const T *gain, const T *d_out, T *d_y,
               const Sinks<T> &sinks, T *sums) {
    constexpr Index L = Lanes<T>::count;
    const Index f = plane.f, pixels = plane.ph() * plane.pw();
    T *d_shift = sums, *d_gain = sums + f;
    const Coefficients<T> to{sums + 2 * f, sums + 3 * f, sums + 4 * f};
    const Vector<T> none = {};
    for (Index v = 0; v < f; v += L) {
        Vector<T> shift = {}, gained = {};
        for (Index at = v; at < pixels * f; at += f) {
            const Vector<T> d = load_mask(normal.winner + at) < 0 ? none : load(d_out + at);
            shift += d;
            gained += d * load(normal.best + at);
        }
        store(d_shift + v, shift);
        store(d_gain + v, gained);
        store(sinks.shift + v, load(sinks.shift + v) + shift);
        store(sinks.gain + v, load(sinks.gain + v) + gained);
    }
    coefficients(plane, normal, gain, d_shift, d_gain, to);
    for (Index v = 0; v < f; v += L) {
        const Vector<T> a = load(to.at + v), b = load(to.constant + v), c = load(to.slope + v);
        Vector<T> bias = load(sinks.bias + v);
        auto place = [&](Index i, Index j, Vector<T> extra) {
            const Vector<T> value = b + c * load(normal.unit + plane.pixel(i, j) + v) + extra;
            store(d_y + plane.bordered(i, j) + v, value);
            bias += value;
        };
        visit(
            plane,
            [&](Index i, Index j) {
                const Index at = plane.pooled(i, j) + v;
                const Mask<T> winner = load_mask(normal.winner + at);
                const Vector<T> d = a * load(d_out + at);
#pragma GCC unroll 4
                for (int k = 0; k < 4; ++k) place(2 * i + k / 2, 2 * j + k % 2, winner == k ? d : none);
            },
            [&](Index i, Index j) { place(i, j, none); });
        store(sinks.bias + v, bias);
    }
}

// What varies along the direction: pooled gradient, normalised plane, gain.
template <class T>
struct Dots {
    const T *d_out;
    Normal<T> normal;
    const T *gain;
};

// `pull_back` and its derivative along a direction; the sinks take derivatives. `sums`: 10 f numbers.
template <class T>
void pull_back_dot(const Plane &plane, const Normal<T> &normal, const T *gain, const T *d_out, const Dots<T> &dot,
                   T *d_y, T *d_y_dot, const Sinks<T> &sinks, T *sums) {
    constexpr Index L = Lanes<T>::count;
    const Index f = plane.f, pixels = plane.ph() * plane.pw();
    T *d_shift = sums, *d_gain = sums + f, *d_shift_dot = sums + 2 * f, *d_gain_dot = sums + 3 * f;
    const Coefficients<T> to{sums + 4 * f, sums + 5 * f, sums + 6 * f};
    const Coefficients<T> to_dot{sums + 7 * f, sums + 8 * f, sums + 9 * f};
    const Vector<T> none = {};
    for (Index v = 0; v < f; v += L) {
        Vector<T> shift = {}, gained = {}, shift_dot = {}, gained_dot = {};
        for (Index at = v; at < pixels * f; at += f) {
            const Mask<T> dead = load_mask(normal.winner + at) < 0;
            const Vector<T> d = dead ? none : load(d_out + at), d_dot = dead ? none : load(dot.d_out + at);
            shift += d;
            gained += d * load(normal.best + at);
            shift_dot += d_dot;
            gained_dot += d_dot * load(normal.best + at) + d * load(dot.normal.best + at);
        }
        store(d_shift + v, shift);
        store(d_gain + v, gained);
        store(d_shift_dot + v, shift_dot);
        store(d_gain_dot + v, gained_dot);
        store(sinks.shift + v, load(sinks.shift + v) + shift_dot);
        store(sinks.gain + v, load(sinks.gain + v) + gained_dot);
    }
    coefficients(plane, normal, gain, d_shift, d_gain, to);
    for (Index c = 0; c < f; ++c) {
        to_dot.constant[c] = dot.gain[c] * d_shift[c] + gain[c] * d_shift_dot[c];
        to_dot.slope[c] = dot.gain[c] * d_gain[c] + gain[c] * d_gain_dot[c];
    }
    share_mean(plane, to_dot.constant);
    share_mean(plane, to_dot.slope);
    for (Index c = 0; c < f; ++c) {
        const T growth = dot.normal.scale[c], scale = normal.scale[c];
        to_dot.at[c] = growth * to.at[c] + scale * dot.gain[c];
        to_dot.constant[c] = growth * to.constant[c] - scale * to_dot.constant[c];
        to_dot.slope[c] = growth * to.slope[c] - scale * to_dot.slope[c];
    }
    for (Index v = 0; v < f; v += L) {
        const Vector<T> a = load(to.at + v), b = load(to.constant + v), c = load(to.slope + v);
        const Vector<T> a_dot = load(to_dot.at + v), b_dot = load(to_dot.constant + v);
        const Vector<T> c_dot = load(to_dot.slope + v);
        Vector<T> bias = load(sinks.bias + v);
        auto place = [&](Index i, Index j, Vector<T> extra, Vector<T> extra_dot) {
            const Vector<T> unit = load(normal.unit + plane.pixel(i, j) + v);
            const Vector<T> unit_dot = load(dot.normal.unit + plane.pixel(i, j) + v);
            const Vector<T> value_dot = b_dot + c_dot * unit + c * unit_dot + extra_dot;
            store(d_y + plane.bordered(i, j) + v, b + c * unit + extra);
            store(d_y_dot + plane.bordered(i, j) + v, value_dot);
            bias += value_dot;
        };
        visit(
            plane,
            [&](Index i, Index j) {
                const Index at = plane.pooled(i, j) + v;
                const Mask<T> winner = load_mask(normal.winner + at);
                const Vector<T> d = load(d_out + at), d_dot = a_dot * d + a * load(dot.d_out + at);
#pragma GCC unroll 4
                for (int k = 0; k < 4; ++k)
                    place(2 * i + k / 2, 2 * j + k % 2, winner == k ? a * d : none, winner == k ? d_dot : none);
            },
            [&](Index i, Index j) { place(i, j, none, none); });
        store(sinks.bias + v, bias);
    }
}

}  // namespace conv4

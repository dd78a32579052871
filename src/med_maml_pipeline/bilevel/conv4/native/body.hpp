// The four blocks, picture by picture, so that a picture's planes stay in the cache.
#pragma once
#include "convolve.hpp"
#include "pull_back.hpp"

namespace conv4 {

struct Shape {
    Index channels, height, width, filters, groups;
    double eps;
};

constexpr int blocks = 4;

template <class T>
class Body {
  public:
    explicit Body(const Shape &shape) : shape_(shape) {
        const Index f = shape.filters;
        Index h = shape.height, w = shape.width, ci = shape.channels, theta = 0, tape = 0, scratch = 0;
        for (int b = 0; b < blocks; ++b) {
            Level &level = levels_[b];
            level.map = {h, w, ci, f};
            level.plane = {h, w, f, shape.groups};
            level.theta = theta;
            theta += 9 * ci * f + 3 * f;
            level.x = claim(tape, (h + 2) * (w + 2) * ci);
            level.unit = claim(tape, h * w * f);
            level.best = claim(tape, (h / 2) * (w / 2) * f);
            level.winner = claim(tape, (h / 2) * (w / 2) * f);
            level.scale = claim(tape, f);
            level.d_y = claim(scratch, (h + 2) * (w + 2) * f);
            level.d_y_dot = claim(scratch, (h + 2) * (w + 2) * f);
            level.turned = claim(scratch, 9 * f * f);
            level.turned_dot = claim(scratch, 9 * f * f);
            h /= 2, w /= 2, ci = f;
        }
        out_ = claim(tape, (h + 2) * (w + 2) * f);
        sides_[0] = h, sides_[1] = w;
        const Index largest = (shape.height / 2) * (shape.width / 2) * f;
        d_out_ = claim(scratch, largest);
        d_out_dot_ = claim(scratch, largest);
        sums_ = claim(scratch, 10 * f);
        theta_ = theta, tape_ = tape, scratch_ = scratch;
    }

    Index theta() const { return theta_; }      // parameters of the blocks
    Index tape() const { return tape_; }        // per picture: planes, or their derivatives
    Index scratch() const { return scratch_; }  // per thread
    Index embedding() const { return sides_[0] * sides_[1] * shape_.filters; }
    Index pixels() const { return shape_.channels * shape_.height * shape_.width; }

    // Borders of tape, dots and scratch must be zero; nothing writes there.
    void forward(const T *x, const T *theta, T *tape, T *scratch, T *embedding) const {
        const Map &first = levels_[0].map;
        for (Index c = 0; c < first.ci; ++c)
            for (Index i = 0; i < first.h; ++i)
                for (Index j = 0; j < first.w; ++j)
                    tape[levels_[0].x + (i + 1) * first.row() + (j + 1) * first.ci + c] =
                        x[(c * first.h + i) * first.w + j];
        for (int b = 0; b < blocks; ++b) {
            const Level &level = levels_[b];
            const T *w = theta + level.theta, *bias = w + level.weights();
            convolve<T>({{tape + level.x, w}}, level.map, bias, tape + level.unit);
            normalise<T>(level.plane, static_cast<T>(shape_.eps), level.normal(tape), bias + shape_.filters,
                         bias + 2 * shape_.filters, tape + next(b), scratch + sums_);
        }
        take_out(tape, embedding);
    }

    // Turned weights in scratch, for `backward` (and along a direction, for `tangent_backward`).
    void prepare(const T *theta, const T *direction, T *scratch) const {
        for (int b = 1; b < blocks; ++b) {
            const Level &level = levels_[b];
            turn(theta + level.theta, level.map.ci, level.map.co, scratch + level.turned);
            if (direction)
                turn(direction + level.theta, level.map.ci, level.map.co, scratch + level.turned_dot);
        }
    }

    // Adds to `gradient`.
    void backward(const T *theta, T *tape, const T *d_embedding, T *scratch, T *gradient) const {
        put_in(d_embedding, scratch + d_out_);
        for (int b = blocks - 1; b >= 0; --b) {
            const Level &level = levels_[b];
            T *to = gradient + level.theta, *d_y = scratch + level.d_y;
            pull_back<T>(level.plane, level.normal(tape), gain(theta, level), scratch + d_out_, d_y,
                         sinks(to, level), scratch + sums_);
            add_weight_gradient<T>({{tape + level.x, d_y}}, level.map, to);
            if (b > 0) convolve<T>({{d_y, scratch + level.turned}}, level.adjoint(), nullptr, scratch + d_out_);
        }
    }

    void tangent(const T *theta, const T *direction, T *tape, T *dots, T *scratch, T *embedding_dot) const {
        for (int b = 0; b < blocks; ++b) {
            const Level &level = levels_[b];
            const T *w = theta + level.theta, *w_dot = direction + level.theta;
            const T *bias_dot = w_dot + level.weights();
            const Index f = shape_.filters;
            if (b == 0)
                convolve<T>({{tape + level.x, w_dot}}, level.map, bias_dot, dots + level.unit);
            else
                convolve<T>({{dots + level.x, w}, {tape + level.x, w_dot}}, level.map, bias_dot, dots + level.unit);
            normalise_dot<T>(level.plane, level.normal(tape), level.normal(dots), gain(theta, level), bias_dot + f,
                             bias_dot + 2 * f, dots + next(b), scratch + sums_);
        }
        take_out(dots, embedding_dot);
    }

    // Adds to `gradient_dot`.
    void tangent_backward(const T *theta, const T *direction, T *tape, T *dots, const T *d_embedding,
                          const T *d_embedding_dot, T *scratch, T *gradient_dot) const {
        T *d_out = scratch + d_out_, *d_out_dot = scratch + d_out_dot_;
        put_in(d_embedding, d_out);
        put_in(d_embedding_dot, d_out_dot);
        for (int b = blocks - 1; b >= 0; --b) {
            const Level &level = levels_[b];
            T *to = gradient_dot + level.theta, *d_y = scratch + level.d_y, *d_y_dot = scratch + level.d_y_dot;
            pull_back_dot<T>(level.plane, level.normal(tape), gain(theta, level), d_out,
                             {d_out_dot, level.normal(dots), gain(direction, level)}, d_y, d_y_dot,
                             sinks(to, level), scratch + sums_);
            if (b == 0) {
                add_weight_gradient<T>({{tape + level.x, d_y_dot}}, level.map, to);
                continue;
            }
            add_weight_gradient<T>({{dots + level.x, d_y}, {tape + level.x, d_y_dot}}, level.map, to);
            const T *turned = scratch + level.turned, *turned_dot = scratch + level.turned_dot;
            convolve<T>({{d_y, turned}}, level.adjoint(), nullptr, d_out);
            convolve<T>({{d_y_dot, turned}, {d_y, turned_dot}}, level.adjoint(), nullptr, d_out_dot);
        }
    }

  private:
    struct Level {
        Map map;
        Plane plane;
        Index theta;                            // in the parameters
        Index x, unit, best, winner, scale;     // in tape and dots
        Index d_y, d_y_dot, turned, turned_dot;  // in scratch
        Index weights() const { return 9 * map.ci * map.co; }
        Map adjoint() const { return {map.h, map.w, map.co, map.ci}; }
        Normal<T> normal(T *tape) const { return {tape + unit, tape + best, tape + winner, tape + scale}; }
    };

    static Index claim(Index &end, Index size) {
        const Index at = end;
        end += (size + 15) / 16 * 16;  // keeps vectors on cache lines
        return at;
    }
    Index next(int b) const { return b + 1 < blocks ? levels_[b + 1].x : out_; }
    const T *gain(const T *theta, const Level &level) const {
        return theta + level.theta + level.weights() + shape_.filters;
    }
    Sinks<T> sinks(T *to, const Level &level) const {
        T *bias = to + level.weights();
        return {bias, bias + shape_.filters, bias + 2 * shape_.filters};
    }
    // Embeddings and their gradients lie as [channel][row][column] outside.
    void take_out(const T *tape, T *embedding) const {
        const Index f = shape_.filters, h = sides_[0], w = sides_[1];
        for (Index c = 0; c < f; ++c)
            for (Index i = 0; i < h; ++i)
                for (Index j = 0; j < w; ++j) *embedding++ = tape[out_ + ((i + 1) * (w + 2) + j + 1) * f + c];
    }
    void put_in(const T *embedding, T *d_out) const {
        const Index f = shape_.filters, pixels = sides_[0] * sides_[1];
        for (Index c = 0; c < f; ++c)
            for (Index p = 0; p < pixels; ++p) d_out[p * f + c] = *embedding++;
    }

    Shape shape_;
    std::array<Level, blocks> levels_;
    Index sides_[2], out_, d_out_, d_out_dot_, sums_, theta_, tape_, scratch_;
};

}  // namespace conv4

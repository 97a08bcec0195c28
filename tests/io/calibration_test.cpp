#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "halftone/core/error.hpp"
#include "halftone/core/io/calibration_file.hpp"
#include "support/messages.hpp"
#include "temporary_folder.hpp"

namespace halftone::testing {
namespace {

using io::CalibrationFile;

class Calibration : public FileTest {
 protected:
  static CalibrationFile example() {
    CalibrationFile c;
    c.layers = 2;
    c.heads = 3;
    c.head_weight = {0.5f, 1.0f, 1.5f, 2.0f, 0.0f, 1.0f};
    c.gate = {0, 1, 1, 0, 0, 1};
    c.tolerance = 0.0123;
    c.density = 0.1;
    c.parameters = R"({"micro_block":8})";
    c.source = "a model over two books";
    return c;
  }
};

TEST_F(Calibration, ComesBackAsItWas) {
  io::write_calibration(path("c.h5"), example(), test_provenance());
  const CalibrationFile c = io::read_calibration(path("c.h5")), expected = example();
  EXPECT_EQ(c.layers, expected.layers);
  EXPECT_EQ(c.heads, expected.heads);
  EXPECT_EQ(c.head_weight, expected.head_weight);
  EXPECT_EQ(c.gate, expected.gate);
  EXPECT_EQ(c.tolerance, expected.tolerance);
  EXPECT_EQ(c.density, expected.density);
  EXPECT_EQ(c.parameters, expected.parameters);
  EXPECT_EQ(c.source, expected.source);
}

TEST_F(Calibration, RefusesWhatContradictsItself) {
  const auto message = [&](const std::function<void(CalibrationFile&)>& spoil) {
    CalibrationFile c = example();
    spoil(c);
    return message_of<InvalidArgument>([&] { io::write_calibration(path("c.h5"), c, test_provenance()); });
  };
  EXPECT_EQ(message([](CalibrationFile& c) { c.layers = 0; }),
            "calibration: got 0 layers of 3 heads, expected positive numbers");
  EXPECT_EQ(message([](CalibrationFile& c) { c.head_weight.pop_back(); }), "head_weight: got 5 values, expected 6");
  EXPECT_EQ(message([](CalibrationFile& c) { c.gate.push_back(1); }), "gate: got 7 values, expected 6");
  EXPECT_EQ(message([](CalibrationFile& c) { c.gate[2] = 7; }), "gate: got 7, expected 0 or 1");
  EXPECT_EQ(message([](CalibrationFile& c) { c.head_weight[1] = -1.0f; }),
            "head_weight: got -1, expected finite numbers that are not negative");
  EXPECT_EQ(message([](CalibrationFile& c) { c.tolerance = std::numeric_limits<double>::infinity(); }),
            "tolerance: got inf, expected a positive number");
  EXPECT_EQ(message([](CalibrationFile& c) { c.density = 1.5; }),
            "density: got 1.5, expected more than 0 and at most 1");
}

TEST_F(Calibration, NamesWhatAFileLacks) {
  io::write_calibration(path("c.h5"), example(), test_provenance());
  EXPECT_THAT(message_of<FileError>([&] { io::read_calibration(path("none.h5")); }),
              ::testing::HasSubstr("none.h5: no such file"));
}

}  // namespace
}  // namespace halftone::testing

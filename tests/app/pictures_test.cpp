// Pictures: which cell a block becomes, and what of it reaches the PNG.
#include "pictures.hpp"

#include <gtest/gtest.h>
#include <png.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "halftone/core/error.hpp"
#include "halftone/patterns/pattern.hpp"
#include "io/temporary_folder.hpp"

namespace halftone::app {
namespace {

using halftone::testing::read_text;
using halftone::testing::write_text;

class Pictures : public halftone::testing::FileTest {};

struct Image {
  int width = 0, height = 0;
  std::vector<Color> pixels;

  explicit Image(const std::string& path) {
    png_image png{};
    png.version = PNG_IMAGE_VERSION;
    if (!png_image_begin_read_from_file(&png, path.c_str())) return;
    png.format = PNG_FORMAT_RGB;
    width = static_cast<int>(png.width);
    height = static_cast<int>(png.height);
    pixels.resize(static_cast<std::size_t>(width) * height);
    png_image_finish_read(&png, nullptr, pixels.data(), 0, nullptr);
  }
  std::size_t count(Color c) const {
    return static_cast<std::size_t>(
        std::count_if(pixels.begin(), pixels.end(), [c](Color p) { return p.r == c.r && p.g == c.g && p.b == c.b; }));
  }
};

TEST_F(Pictures, PngHoldsThePixels) {
  Canvas canvas(7, 5, {255, 255, 255});
  canvas.set(6, 4, {1, 2, 3});
  canvas.rectangle(1, 1, 2, 3, {200, 100, 50});
  canvas.rectangle(-5, -5, 3, 3, {9, 9, 9});  // outside
  canvas.set(7, 0, {9, 9, 9});
  canvas.write_png(path("a.png"));
  const Image image(path("a.png"));
  ASSERT_EQ(image.width, 7);
  ASSERT_EQ(image.height, 5);
  EXPECT_EQ(image.count({200, 100, 50}), 6u);
  EXPECT_EQ(image.count({9, 9, 9}), 0u);
  const Color corner = image.pixels.back();
  EXPECT_EQ(corner.r, 1);
  EXPECT_EQ(corner.g, 2);
  EXPECT_EQ(corner.b, 3);
}

TEST_F(Pictures, OwnPngsAreKnown) {
  Canvas(3, 3, {0, 0, 0}).write_png(path("a.png"));
  EXPECT_TRUE(is_own_png(path("a.png")));
  write_text(path("b.png"), "\x89PNG of somebody else");
  EXPECT_FALSE(is_own_png(path("b.png")));
  EXPECT_FALSE(is_own_png(path("none.png")));
  EXPECT_THROW(Canvas(3, 3, {0, 0, 0}).write_png(path("none/a.png")), FileError);
}

TEST_F(Pictures, TextTakesTheRoomItSays) {
  const double width = Canvas::text_width("Halftone 10 %", 9.0);
  Canvas canvas(200, 40, {255, 255, 255});
  canvas.text(20, 30, "Halftone 10 %", 9.0, {0, 0, 0});
  canvas.write_png(path("a.png"));
  const Image image(path("a.png"));
  int first = 1000, last = -1;
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x)
      if (image.pixels[static_cast<std::size_t>(y) * 200 + x].r < 128)
        first = std::min(first, x), last = std::max(last, x);
  EXPECT_NEAR(first, 20, 1.5);
  EXPECT_NEAR(last, 20 + width, 1.5);
}

// 300 tokens: tiles 0..2, blocks 0..4; by hand.
TEST_F(Pictures, CellsByKind) {
  MaskGeometry sequence;
  sequence.heads = 1;
  sequence.seq_q = sequence.seq_k = 300;
  patterns::PatternRequest request;
  request.geometry = sequence;
  LayerSelection selection{patterns::make_mask("local", request, nlohmann::json{{"window", 1}, {"sink_blocks", 0}}),
                           std::nullopt};
  using enum Cell;
  const Panel local = mask_panel(selection, sequence, 0);
  EXPECT_EQ(local.cells[0 * 5 + 0], partial);
  EXPECT_EQ(local.cells[0 * 5 + 1], partial);
  EXPECT_EQ(local.cells[0 * 5 + 2], future);
  EXPECT_EQ(local.cells[2 * 5 + 0], skipped);
  EXPECT_EQ(local.cells[2 * 5 + 4], partial);

  // Halftone says what it keeps in any case: here block 0 and the block before the tile.
  selection.mask = patterns::make_mask("dense", request);
  selection.mask.pattern = "halftone";
  selection.mask.parameters = R"({"sink_blocks": 1, "local_blocks": 1})";
  const Panel halftone = mask_panel(selection, sequence, 0);
  EXPECT_EQ(std::vector<Cell>(halftone.cells.begin() + 10, halftone.cells.end()),
            (std::vector<Cell>{near, full, full, near, partial}));
  EXPECT_EQ(std::vector<Cell>(halftone.cells.begin() + 5, halftone.cells.begin() + 10),
            (std::vector<Cell>{near, near, partial, partial, future}));
  EXPECT_EQ(halftone.note, "100.0 % kept");

  // A landmark shows where its bias is finite and the block is not kept.
  selection.mask = patterns::make_mask("local", request, nlohmann::json{{"window", 1}, {"sink_blocks", 0}});
  selection.landmarks.emplace();
  selection.landmarks->bias = Array<float>("bias", 15);
  Kokkos::deep_copy(selection.landmarks->bias, -INFINITY);
  Kokkos::deep_copy(Kokkos::subview(selection.landmarks->bias, 2 * 5 + 1), 4.0f);
  const Panel far = mask_panel(selection, sequence, 0);
  EXPECT_EQ(far.cells[2 * 5 + 0], skipped);
  EXPECT_EQ(far.cells[2 * 5 + 1], landmark);
}

// Every cell of one kind in a picture of its own: its area is that of the grid.
TEST_F(Pictures, CellsFillTheGrid) {
  for (const std::int64_t seq : {300, 4096, 100000}) {
    Panel panel;
    panel.seq_q = panel.seq_k = seq;
    panel.block_q = 128;
    panel.block_k = 64;
    panel.cells.assign(static_cast<std::size_t>(panel.tiles()) * panel.blocks(), Cell::full);
    Sheet sheet{"title", "note", 1, {panel}};
    draw(sheet).write_png(path("a.png"));
    const Image image(path("a.png"));
    EXPECT_GT(image.width, 500);
    EXPECT_LT(image.width, 1300);
    const auto area = image.count({27, 58, 128});
    EXPECT_GT(area, 400u * 400u) << seq;
    EXPECT_GT(image.count({255, 255, 255}), area / 20) << seq;
  }
}

TEST_F(Pictures, SheetsHoldManyPanels) {
  Panel cells;
  cells.title = "pattern";
  cells.note = "a note that is too long for a panel as narrow as this one";
  cells.seq_q = cells.seq_k = 1000;
  cells.block_q = 128;
  cells.block_k = 64;
  cells.cells.assign(8 * 16, Cell::skipped);
  Panel mass = cells;
  mass.cells.clear();
  mass.mass.assign(8 * 16, 0.01f);
  mass.mass[0] = 1.0f;
  mass.mass[1] = 0.0f;
  mass.mass[2] = NAN;
  const Canvas sheet = draw({"title", "note", 6, {mass, cells, cells, cells, cells, cells, mass}});
  EXPECT_GT(sheet.width(), 1200);
  EXPECT_GT(sheet.height(), 500);
}

}  // namespace
}  // namespace halftone::app

#include "heatmap.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace halftone::app {

namespace {

constexpr Color kWhite{255, 255, 255}, kInk{38, 42, 51}, kGray{112, 118, 130}, kFrame{168, 174, 184};
constexpr double kMassDecades = 4.0;  // the mass scale ends at 10^-4

// Colours that stay apart in lightness as well as in hue, so also for colour-blind readers and in black and white.
struct Style {
  Cell cell;
  Color color;
  const char* name;
};
constexpr std::array<Style, 6> kStyles{{
    {Cell::full, {27, 58, 128}, "exact"},
    {Cell::near, {108, 162, 222}, "exact, always kept (sink, local)"},
    {Cell::partial, {238, 161, 50}, "exact, partial (diagonal or rule inside)"},
    {Cell::landmark, {205, 226, 211}, "landmark (far field)"},
    {Cell::skipped, {233, 235, 239}, "skipped"},
    {Cell::future, {252, 252, 253}, "future (not visible)"},
}};
constexpr Color kLandmarkDot{58, 140, 92};

Color color_of(Cell cell) {
  for (const Style& style : kStyles)
    if (style.cell == cell) return style.color;
  return kWhite;
}

// Light to dark through yellow, red and purple: position 0 to 1 on the logarithmic mass scale.
Color mass_color(double position) {
  if (std::isnan(position)) return color_of(Cell::future);
  constexpr std::array<Color, 6> stops{
      {{250, 248, 243}, {251, 225, 160}, {240, 165, 80}, {205, 80, 70}, {118, 35, 100}, {33, 14, 58}}};
  const double at = std::clamp(position, 0.0, 1.0) * (stops.size() - 1);
  const auto i = std::min(static_cast<std::size_t>(at), stops.size() - 2);
  return mix(stops[i], stops[i + 1], at - static_cast<double>(i));
}

// 0 to 1, or NaN where nothing is visible.
double mass_position(float mass) {
  return std::isnan(mass) ? mass : mass > 0.0f ? 1.0 + std::log10(static_cast<double>(mass)) / kMassDecades : 0.0;
}

// Sizes of everything, in pixels.
struct Layout {
  double text = 8.0;   // height of capitals
  double scale = 1.0;  // pixels per token; whole pixels per block where blocks are larger than a pixel
  int panel_width = 0, panel_height = 0;
  int left = 66, top = 0, gap_x = 0, gap_y = 0;
  int columns = 1, rows = 1;
  int legend_height = 0;
  bool note_below = false;  // panels are too narrow for title and note in one line
  int width = 0, height = 0;

  int x(int column) const { return left + column * (panel_width + gap_x); }
  int y(int row) const { return top + row * (panel_height + gap_y); }
};

double choose_scale(const Panel& panel, int columns) {
  const double side = columns == 1 ? 1000.0 : columns == 2 ? 720.0 : std::max(240.0, 1500.0 / columns);
  const double block = side * panel.block_k / static_cast<double>(std::max(panel.seq_k, panel.seq_q));
  return (block >= 1.0 ? std::floor(block) : block) / panel.block_k;
}

bool has_cell(const Sheet& sheet, Cell cell) {
  return std::any_of(sheet.panels.begin(), sheet.panels.end(), [cell](const Panel& p) {
    return std::find(p.cells.begin(), p.cells.end(), cell) != p.cells.end();
  });
}

bool has_mass(const Sheet& sheet) {
  return std::any_of(sheet.panels.begin(), sheet.panels.end(), [](const Panel& p) { return !p.mass.empty(); });
}

std::string tick_label(std::int64_t position, std::int64_t step) {
  return step >= 256 && position > 0 ? fmt::format("{}k", static_cast<double>(position) / 1024.0)
                                     : fmt::format("{}", position);
}

// Ticks stand on multiples of a power of two.
std::int64_t tick_step(std::int64_t length, double pixels) {
  const double apart = pixels < 400.0 ? 48.0 : 90.0;
  std::int64_t step = 16;
  while (static_cast<double>(step) * pixels < apart * static_cast<double>(length)) step *= 2;
  return step;
}

// Mean colour of the cells that one pixel covers (a single cell where cells are larger than pixels).
Color sample(const Panel& panel, const Layout& layout, int x, int y) {
  const auto cells_per_pixel = [&](int block) {
    return std::max(1, static_cast<int>(std::ceil(1.0 / (layout.scale * block) - 1e-9)));
  };
  const int nx = cells_per_pixel(panel.block_k), ny = cells_per_pixel(panel.block_q);
  std::array<double, 3> sum{};
  for (int j = 0; j < ny; ++j)
    for (int i = 0; i < nx; ++i) {
      const double key = (x + (i + 0.5) / nx) / layout.scale, query = (y + (j + 0.5) / ny) / layout.scale;
      const int block = std::min(static_cast<int>(key) / panel.block_k, panel.blocks() - 1);
      const int tile = std::min(static_cast<int>(query) / panel.block_q, panel.tiles() - 1);
      const auto at = static_cast<std::size_t>(tile) * panel.blocks() + block;
      const Color c = panel.cells.empty() ? mass_color(mass_position(panel.mass[at])) : color_of(panel.cells[at]);
      sum[0] += c.r, sum[1] += c.g, sum[2] += c.b;
    }
  const auto mean = [&](double s) { return static_cast<std::uint8_t>(std::lround(s / (nx * ny))); };
  return {mean(sum[0]), mean(sum[1]), mean(sum[2])};
}

void draw_grid(Canvas& canvas, const Panel& panel, const Layout& layout, int left, int top) {
  for (int y = 0; y < layout.panel_height; ++y)
    for (int x = 0; x < layout.panel_width; ++x) canvas.set(left + x, top + y, sample(panel, layout, x, y));

  const double cell_x = layout.scale * panel.block_k, cell_y = layout.scale * panel.block_q;
  if (cell_x >= 8.0) {  // room for lines between the cells
    for (int b = 1; b < panel.blocks(); ++b)
      canvas.rectangle(left + static_cast<int>(b * cell_x) - 1, top, 1, layout.panel_height, kWhite);
    for (int t = 1; t < panel.tiles(); ++t)
      canvas.rectangle(left, top + static_cast<int>(t * cell_y) - 1, layout.panel_width, 1, kWhite);
  }
  if (cell_x >= 4.0)
    for (std::size_t i = 0; i < panel.cells.size(); ++i) {
      if (panel.cells[i] != Cell::landmark) continue;
      const double x = (i % panel.blocks() + 0.5) * cell_x - 0.5, y = (i / panel.blocks()) * cell_y;
      const double height = std::min(cell_y, layout.panel_height - y);  // the last tile may be short
      canvas.disc(left + x, top + y + 0.5 * height - 0.5, std::min(0.17 * cell_x + 0.3, 6.0), kLandmarkDot);
    }
  canvas.frame(left, top, layout.panel_width, layout.panel_height, kFrame);
}

void draw_axes(Canvas& canvas, const Panel& panel, const Layout& layout, int left, int top, bool label_x,
               bool label_y) {
  const double size = layout.text;
  const int right = left + layout.panel_width, bottom = top + layout.panel_height;
  const std::int64_t step_k = tick_step(panel.seq_k, layout.panel_width);
  const std::int64_t step_q = tick_step(panel.seq_q, layout.panel_height);
  for (std::int64_t p = 0; p <= panel.seq_k; p += step_k) {
    const double x = left + static_cast<double>(p) * layout.scale;
    canvas.line(x, bottom + 2, x, bottom + 5, 1.0, kGray);
    canvas.text(x, bottom + 9 + size, tick_label(p, step_k), size, kGray, Align::center);
  }
  for (std::int64_t p = 0; p <= panel.seq_q; p += step_q) {
    const double y = top + static_cast<double>(p) * layout.scale;
    canvas.line(left - 6, y, left - 3, y, 1.0, kGray);
    canvas.text(left - 10, y + 0.5 * size, tick_label(p, step_q), size, kGray, Align::right);
  }
  if (label_x)
    canvas.text(0.5 * (left + right), bottom + 16 + 2.2 * size, "key position", size + 1, kInk, Align::center);
  if (label_y) canvas.text(left - 48, 0.5 * (top + bottom), "query position", size + 1, kInk, Align::center, true);
}

void draw_color_bar(Canvas& canvas, double x, double y, double size) {
  const int width = 220, height = 12;
  canvas.text(x, y + size + 2, "share of a query tile's attention", size, kInk);
  x += Canvas::text_width("share of a query tile's attention", size) + 24;
  for (int i = 0; i < width; ++i)
    canvas.rectangle(static_cast<int>(x) + i, static_cast<int>(y), 1, height, mass_color((i + 0.5) / width));
  canvas.frame(static_cast<int>(x), static_cast<int>(y), width, height, kFrame);
  for (int decade = 0; decade <= static_cast<int>(kMassDecades); ++decade) {
    constexpr std::array<const char*, 5> labels{"0.01 %", "0.1 %", "1 %", "10 %", "100 %"};
    canvas.text(x + width * decade / kMassDecades, y + height + 7 + size, labels[decade], size - 0.5, kGray,
                Align::center);
  }
}

// Draws the legend within the sheet's width, or only measures it; returns its height.
int draw_legend(Canvas* canvas, const Sheet& sheet, const Layout& layout, int top) {
  const double size = layout.text;
  double x = layout.left, y = top;
  for (const Style& style : kStyles) {
    if (!has_cell(sheet, style.cell)) continue;
    const double width = 20 + Canvas::text_width(style.name, size) + 26;
    if (x + width - 20 > layout.width && x > layout.left) x = layout.left, y += 24;
    if (canvas) {
      canvas->rectangle(static_cast<int>(x), static_cast<int>(y), 13, 13, style.color);
      canvas->frame(static_cast<int>(x), static_cast<int>(y), 13, 13, kFrame);
      if (style.cell == Cell::landmark) canvas->disc(x + 6.5, y + 6.5, 2.5, kLandmarkDot);
      canvas->text(x + 21, y + size + 3, style.name, size, kInk);
    }
    x += width;
  }
  if (x > layout.left) y += 30;
  if (has_mass(sheet)) {
    if (canvas) draw_color_bar(*canvas, layout.left, y, size);
    y += 38;
  }
  return static_cast<int>(y) - top;
}

// From the start of a panel's title to where a note beside it begins.
double title_width(const Panel& panel, const Layout& layout) {
  return panel.title.empty() ? 0.0 : Canvas::text_width(panel.title, layout.text + 1) + 12;
}

Layout plan(const Sheet& sheet) {
  const Panel& first = sheet.panels.front();
  Layout layout;
  layout.columns = std::min<int>(sheet.columns, static_cast<int>(sheet.panels.size()));
  layout.rows = (static_cast<int>(sheet.panels.size()) + layout.columns - 1) / layout.columns;
  layout.text = layout.columns <= 2 ? 9.0 : 8.0;
  layout.scale = choose_scale(first, layout.columns);
  layout.panel_width = std::max(1, static_cast<int>(std::ceil(static_cast<double>(first.seq_k) * layout.scale)));
  layout.panel_height = std::max(1, static_cast<int>(std::ceil(static_cast<double>(first.seq_q) * layout.scale)));
  layout.gap_x = 52;
  layout.note_below = std::any_of(sheet.panels.begin(), sheet.panels.end(), [&](const Panel& panel) {
    return title_width(panel, layout) + Canvas::text_width(panel.note, layout.text) > layout.panel_width + 20;
  });
  layout.gap_y = layout.note_below ? 90 : 78;
  layout.top = layout.note_below ? 116 : 104;
  const int text_room =
      static_cast<int>(std::max(Canvas::text_width(sheet.title, 13), Canvas::text_width(sheet.note, 9)));
  layout.width = std::max(layout.x(layout.columns) - layout.gap_x, std::max(layout.left + text_room, 640)) + 30;
  layout.legend_height = draw_legend(nullptr, sheet, layout, 0);
  layout.height = layout.y(layout.rows) - layout.gap_y + 62 + layout.legend_height + 8;
  return layout;
}

}  // namespace

Canvas draw(const Sheet& sheet) {
  const Layout layout = plan(sheet);
  Canvas canvas(layout.width, layout.height, kWhite);
  canvas.text(layout.left, 34, sheet.title, 13, kInk);
  canvas.text(layout.left, 56, sheet.note, 9, kGray);
  for (std::size_t i = 0; i < sheet.panels.size(); ++i) {
    const Panel& panel = sheet.panels[i];
    const int row = static_cast<int>(i) / layout.columns, column = static_cast<int>(i) % layout.columns;
    const int left = layout.x(column), top = layout.y(row);
    canvas.text(left, layout.note_below ? top - 25 : top - 10, panel.title, layout.text + 1, kInk);
    canvas.text(layout.note_below ? left : left + title_width(panel, layout), top - 10, panel.note, layout.text, kGray);
    draw_grid(canvas, panel, layout, left, top);
    draw_axes(canvas, panel, layout, left, top, i + layout.columns >= sheet.panels.size(), column == 0);
  }
  draw_legend(&canvas, sheet, layout, layout.height - layout.legend_height - 8);
  return canvas;
}

}  // namespace halftone::app

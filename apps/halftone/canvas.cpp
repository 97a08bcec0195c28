#include "canvas.hpp"

#include <png.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>

#include "font.hpp"
#include "halftone/core/io/temporary_file.hpp"

namespace halftone::app {

namespace {

constexpr char kSoftware[] = "Halftone";
constexpr double kLetterGap = 2.2;  // in grid units of the font

const Glyph& glyph_of(char c) { return kFont[c < ' ' || c > '~' ? '?' - ' ' : c - ' ']; }

int grid(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

// libpng reports errors by longjmp: nothing with a destructor lives in this frame.
bool encode_png(std::FILE* file, const Color* pixels, int width, int height) {
  png_structp png = png_create_write_struct(
      PNG_LIBPNG_VER_STRING, nullptr, [](png_structp p, png_const_charp) { png_longjmp(p, 1); },
      [](png_structp, png_const_charp) {});
  png_infop info = png ? png_create_info_struct(png) : nullptr;
  if (!info || setjmp(png_jmpbuf(png))) {
    png_destroy_write_struct(&png, &info);
    return false;
  }
  png_init_io(png, file);
  png_set_IHDR(png, info, width, height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  char key[] = "Software", text[sizeof kSoftware];
  std::memcpy(text, kSoftware, sizeof kSoftware);
  png_text entry{};
  entry.compression = PNG_TEXT_COMPRESSION_NONE;
  entry.key = key;
  entry.text = text;
  png_set_text(png, info, &entry, 1);
  png_write_info(png, info);
  for (int y = 0; y < height; ++y)
    png_write_row(png, reinterpret_cast<png_const_bytep>(pixels + std::ptrdiff_t{y} * width));
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  return true;
}

}  // namespace

Color mix(Color a, Color b, double t) {
  const auto channel = [t](std::uint8_t from, std::uint8_t to) {
    return static_cast<std::uint8_t>(std::lround(from + (to - from) * t));
  };
  return {channel(a.r, b.r), channel(a.g, b.g), channel(a.b, b.b)};
}

Canvas::Canvas(int width, int height, Color background)
    : width_(width), height_(height), pixels_(static_cast<std::size_t>(width) * height, background) {}

void Canvas::set(int x, int y, Color color) { blend(x, y, color, 1.0); }

void Canvas::blend(int x, int y, Color color, double coverage) {
  if (x < 0 || y < 0 || x >= width_ || y >= height_ || coverage <= 0.0) return;
  Color& pixel = pixels_[static_cast<std::size_t>(y) * width_ + x];
  pixel = mix(pixel, color, std::min(coverage, 1.0));
}

void Canvas::rectangle(int x, int y, int width, int height, Color color) {
  for (int j = y; j < y + height; ++j)
    for (int i = x; i < x + width; ++i) set(i, j, color);
}

void Canvas::frame(int x, int y, int width, int height, Color color) {
  rectangle(x - 1, y - 1, width + 2, 1, color);
  rectangle(x - 1, y + height, width + 2, 1, color);
  rectangle(x - 1, y, 1, height, color);
  rectangle(x + width, y, 1, height, color);
}

void Canvas::line(double x0, double y0, double x1, double y1, double thickness, Color color) {
  const double radius = 0.5 * thickness, reach = radius + 0.5, dx = x1 - x0, dy = y1 - y0;
  const double length2 = dx * dx + dy * dy;
  const int left = static_cast<int>(std::floor(std::min(x0, x1) - reach)),
            right = static_cast<int>(std::ceil(std::max(x0, x1) + reach));
  const int top = static_cast<int>(std::floor(std::min(y0, y1) - reach)),
            bottom = static_cast<int>(std::ceil(std::max(y0, y1) + reach));
  for (int y = top; y <= bottom; ++y)
    for (int x = left; x <= right; ++x) {
      const double px = x + 0.5 - x0, py = y + 0.5 - y0;
      const double t = length2 > 0.0 ? std::clamp((px * dx + py * dy) / length2, 0.0, 1.0) : 0.0;
      blend(x, y, color, reach - std::hypot(px - t * dx, py - t * dy));
    }
}

double Canvas::text_width(std::string_view text, double size) {
  double width = 0.0;
  for (const char c : text) width += glyph_of(c).width + kLetterGap;
  return text.empty() ? 0.0 : (width - kLetterGap) * size / kFontBaseline;
}

void Canvas::text(double x, double y, std::string_view text, double size, Color color, Align align, bool upward) {
  const double unit = size / kFontBaseline, pen = std::max(1.0, 0.125 * size);
  double along = align == Align::left ? 0.0 : -text_width(text, size) * (align == Align::center ? 0.5 : 1.0);
  const auto draw = [&](std::string_view from, std::string_view to) {
    const auto place = [&](std::string_view point, double& px, double& py) {
      const double a = along + grid(point[0]) * unit, d = (grid(point[1]) - kFontBaseline) * unit;
      px = upward ? x + d : x + a;
      py = upward ? y - a : y + d;
    };
    double x0, y0, x1, y1;
    place(from, x0, y0);
    place(to, x1, y1);
    line(x0, y0, x1, y1, pen, color);
  };
  for (const char c : text) {
    const Glyph& glyph = glyph_of(c);
    for (std::string_view rest = glyph.strokes; !rest.empty();) {
      const std::string_view stroke = rest.substr(0, rest.find(' '));
      rest.remove_prefix(std::min(rest.size(), stroke.size() + 1));
      if (stroke.size() == 2) draw(stroke, stroke);
      for (std::size_t i = 0; i + 4 <= stroke.size(); i += 2) draw(stroke.substr(i, 2), stroke.substr(i + 2, 2));
    }
    along += (glyph.width + kLetterGap) * unit;
  }
}

void Canvas::write_png(const std::string& path) const {
  io::TemporaryFile temporary(path);
  errno = 0;
  std::FILE* file = fdopen(dup(temporary.descriptor()), "wb");
  if (!file) temporary.fail_write(errno);
  const bool encoded = encode_png(file, pixels_.data(), width_, height_);
  const int error = errno;
  if (std::fclose(file) != 0) temporary.fail_write(errno);
  if (!encoded) temporary.fail_write(error ? error : EIO);
  temporary.rename();
}

bool is_own_png(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string head(256, '\0');
  file.read(head.data(), static_cast<std::streamsize>(head.size()));
  const std::string mark = std::string("Software") + '\0' + kSoftware;  // the tEXt chunk before the image data
  return head.starts_with("\x89PNG") && head.find(mark) != std::string::npos;
}

}  // namespace halftone::app

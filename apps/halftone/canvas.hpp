// A small RGB picture with lines, text and PNG output.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace halftone::app {

struct Color {
  std::uint8_t r, g, b;
};

/// `a` at t = 0, `b` at t = 1.
Color mix(Color a, Color b, double t);

enum class Align { left, center, right };

/// Pixel coordinates start at the top left; drawing outside the picture is clipped.
class Canvas {
 public:
  Canvas(int width, int height, Color background);

  int width() const { return width_; }
  int height() const { return height_; }

  void set(int x, int y, Color color);
  void rectangle(int x, int y, int width, int height, Color color);
  /// The outline of the pixels [x, x + width) x [y, y + height), one pixel wide and just outside them.
  void frame(int x, int y, int width, int height, Color color);
  /// An antialiased line with round ends.
  void line(double x0, double y0, double x1, double y1, double thickness, Color color);
  void disc(double x, double y, double radius, Color color) { line(x, y, x, y, 2 * radius, color); }

  /// Text with capitals `size` pixels high, the baseline at y; `upward` turns it by 90 degrees (baseline at x).
  void text(double x, double y, std::string_view text, double size, Color color, Align align = Align::left,
            bool upward = false);
  /// Width in pixels of a text set by text().
  static double text_width(std::string_view text, double size);

  /// Writes a PNG that says Halftone made it (see is_own_png), all at once. Throws FileError.
  void write_png(const std::string& path) const;

 private:
  void blend(int x, int y, Color color, double coverage);

  int width_, height_;
  std::vector<Color> pixels_;
};

/// Whether the file is a PNG that Canvas::write_png made.
bool is_own_png(const std::string& path);

}  // namespace halftone::app

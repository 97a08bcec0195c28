#include "halftone/core/io/bench_file.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "halftone/core/io/file.hpp"

namespace halftone::io {

void write_bench(const std::string& path, const BenchFile& bench, const Provenance& provenance) {
  validate(bench.table);
  if (bench.table.rows() == 0) throw InvalidArgument("bench table", "no row", "at least one");
  if (!bench.samples.empty() && static_cast<std::int64_t>(bench.samples.size()) != bench.table.rows())
    throw InvalidArgument("bench samples", fmt::format("{} lists", bench.samples.size()),
                          fmt::format("{}, one per row", bench.table.rows()));
  FileWriter writer(path, "bench", provenance);
  write_table(writer.root().create_group("bench"), bench.table);
  if (!bench.samples.empty()) {
    std::vector<double> seconds;
    std::vector<std::int64_t> begin{0};
    for (const std::vector<double>& row : bench.samples) {
      seconds.insert(seconds.end(), row.begin(), row.end());
      begin.push_back(static_cast<std::int64_t>(seconds.size()));
    }
    const Group samples = writer.root().create_group("samples");
    samples.write<double>("seconds", seconds, {begin.back()}, {"s", "every measured time, row after row"});
    samples.write<std::int64_t>("begin", begin, {static_cast<std::int64_t>(begin.size())},
                                {"1", "row i has seconds[begin[i] : begin[i + 1]]"});
  }
  writer.commit();
}

BenchFile read_bench(const std::string& path) {
  const Group root = FileReader(path, "bench").root();
  BenchFile bench{read_table(root.group("bench")), {}};
  if (!root.has("samples")) return bench;
  const Group samples = root.group("samples");
  const Dataset begin_data = samples.dataset("begin").require_shape({bench.table.rows() + 1});
  const std::vector<double> seconds = samples.dataset("seconds").require_shape({-1}).read<double>();
  const std::vector<std::int64_t> begin = begin_data.read<std::int64_t>();
  if (begin.front() != 0 || begin.back() != static_cast<std::int64_t>(seconds.size()) ||
      !std::is_sorted(begin.begin(), begin.end()))
    begin_data.fail(
        fmt::format("values: got a last one of {}, expected to rise from 0 to {}", begin.back(), seconds.size()));
  for (std::size_t row = 0; row + 1 < begin.size(); ++row)
    bench.samples.emplace_back(seconds.begin() + begin[row], seconds.begin() + begin[row + 1]);
  return bench;
}

}  // namespace halftone::io

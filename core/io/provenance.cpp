#include "halftone/core/io/provenance.hpp"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <Kokkos_Core.hpp>
#include <ctime>
#include <fstream>
#include <thread>

#include "halftone_build.hpp"

namespace halftone::io {
namespace {

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts;
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

/// The processor's name as Linux reports it; empty elsewhere.
std::string processor() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.starts_with("model name") && line.find(": ") != std::string::npos) return line.substr(line.find(": ") + 2);
  return {};
}

std::string machine() {
  utsname system;
  if (uname(&system) != 0) return "unknown";
  const std::string name = processor();
  return fmt::format("{} {} {}, {}{} threads", system.sysname, system.release, system.machine,
                     name.empty() ? "" : name + ", ", std::thread::hardware_concurrency());
}

std::string kokkos() {
  const std::string device = Kokkos::DefaultExecutionSpace::name(), host = Kokkos::DefaultHostExecutionSpace::name();
  return fmt::format("{}.{}.{}, {}{}", KOKKOS_VERSION / 10000, KOKKOS_VERSION / 100 % 100, KOKKOS_VERSION % 100, device,
                     device == host ? "" : " and " + host);
}

}  // namespace

Provenance make_provenance(std::string command, std::uint64_t seed) {
  return {std::move(command), seed, software_version(), utc_now(), machine(), kokkos(), build::kCompiler};
}

std::string software_version() { return build::kVersion; }

}  // namespace halftone::io

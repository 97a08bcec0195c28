#include "program.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <stdexcept>

#include "support/random.hpp"

namespace halftone::testing {

namespace {

// Reads both pipes until both are closed, so that neither can fill up and block the program.
void drain(std::array<int, 2> descriptors, std::array<std::string*, 2> texts) {
  std::array<pollfd, 2> polls{{{descriptors[0], POLLIN, 0}, {descriptors[1], POLLIN, 0}}};
  for (int open = 2; open > 0;) {
    poll(polls.data(), polls.size(), -1);
    for (std::size_t i = 0; i < polls.size(); ++i) {
      if (!polls[i].revents) continue;
      std::array<char, 4096> buffer;
      const ssize_t count = read(polls[i].fd, buffer.data(), buffer.size());
      if (count > 0) {
        texts[i]->append(buffer.data(), static_cast<std::size_t>(count));
      } else {
        close(polls[i].fd);
        polls[i].fd = -1;
        polls[i].revents = 0;
        --open;
      }
    }
  }
}

}  // namespace

Outcome run_halftone(const std::vector<std::string>& arguments, const std::string& folder, rlim_t file_size,
                     const std::function<void(pid_t)>& meanwhile) {
  std::vector<char*> argv{const_cast<char*>("halftone")};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  int out[2], err[2];
  if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) throw std::runtime_error("no pipes");

  const pid_t child = fork();
  if (child == 0) {
    dup2(out[1], STDOUT_FILENO);
    dup2(err[1], STDERR_FILENO);
    const rlimit limit{file_size, file_size};
    if (chdir(folder.c_str()) == 0 && (file_size == RLIM_INFINITY || setrlimit(RLIMIT_FSIZE, &limit) == 0))
      execv(HALFTONE_PROGRAM, argv.data());
    _exit(127);
  }
  close(out[1]);
  close(err[1]);
  if (meanwhile) meanwhile(child);
  Outcome outcome;
  drain({out[0], err[0]}, {&outcome.out, &outcome.err});
  int status = 0;
  waitpid(child, &status, 0);
  outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return outcome;
}

CommandTest::CommandTest() { io::write_activations(path("qkv.h5"), activations(), test_provenance()); }

io::ActivationsFile CommandTest::activations(std::int64_t seq) {
  io::ActivationsFile file;
  for (const int index : {1, 3}) {
    const auto stream = static_cast<std::uint64_t>(10 * index);
    file.layers.push_back({index,
                           random_tensor(DType::float32, {1, 4, seq, 32}, stream, 2.0f),
                           random_tensor(DType::float32, {1, 2, seq, 32}, stream + 1, 2.0f),
                           random_tensor(DType::float32, {1, 2, seq, 32}, stream + 2),
                           0.17f,
                           true,
                           {0.5f, 1.0f, 1.5f, 2.0f}});
  }
  return file;
}

std::string CommandTest::run_well(const std::vector<std::string>& arguments) const {
  const Outcome outcome = run(arguments);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.err, ::testing::Not(::testing::HasSubstr("error")));
  return outcome.out;
}

void CommandTest::expect_refused(const std::vector<std::string>& arguments, int status,
                                 const ::testing::Matcher<std::string>& message, rlim_t file_size) const {
  const auto before = everything();
  const Outcome outcome = run(arguments, file_size);
  EXPECT_EQ(outcome.status, status) << ::testing::PrintToString(arguments);
  EXPECT_THAT(outcome.err, ::testing::MatchesRegex("halftone: error: [^\n]+\n"));
  EXPECT_THAT(outcome.err, message);
  EXPECT_TRUE(before == everything()) << "files changed: " << ::testing::PrintToString(names());
}

std::map<std::string, std::string> CommandTest::everything() const {
  std::map<std::string, std::string> contents;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder()))
    contents[entry.path()] = entry.is_regular_file() ? read_text(entry.path()) : "<folder>";
  return contents;
}

}  // namespace halftone::testing

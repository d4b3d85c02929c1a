#include "engine/model/mapped_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "tests/testing/temp_dir.h"

namespace attendant {
namespace {

const auto kPage = static_cast<size_t>(sysconf(_SC_PAGESIZE));

class MappedFileTest : public ::testing::Test {
 protected:
  MappedFileTest() { SurviveCutFiles(); }
  ~MappedFileTest() override { signal(SIGBUS, SIG_DFL); }

  std::unique_ptr<MappedFile> Open(const std::string& name, size_t pages) {
    auto file = MappedFile::Open(directory_.Write(name, std::string(pages * kPage, 'x')));
    EXPECT_TRUE(file.ok()) << file.status();
    return *std::move(file);
  }
  void Cut(const std::string& name, size_t pages) {
    std::filesystem::resize_file(directory_.Path(name), pages * kPage);
  }
  // volatile: the read must happen.
  static char At(const MappedFile& file, size_t index) {
    return *static_cast<const volatile char*>(file.bytes().data() + index);
  }

  testing::TempDir directory_;
};

TEST_F(MappedFileTest, WhatIsThereIsRead) {
  const auto file = MappedFile::Open(directory_.Write("f", "some bytes"));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ((*file)->bytes(), "some bytes");
  EXPECT_FALSE((*file)->damaged());
}

TEST_F(MappedFileTest, WhatIsNoFileIsAnErrorThatNamesIt) {
  EXPECT_TRUE(absl::IsNotFound(MappedFile::Open(directory_.Path("none")).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(MappedFile::Open(directory_.Write("empty", "")).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(MappedFile::Open(directory_.Path("")).status()));
}

TEST_F(MappedFileTest, ACutFileReadsAsZerosAndIsDamaged) {
  const auto file = Open("cut", 3), other = Open("whole", 3);
  Cut("cut", 1);
  EXPECT_EQ(At(*file, kPage - 1), 'x');
  EXPECT_FALSE(file->damaged()) << "what the file still has can be trusted";
  EXPECT_EQ(At(*file, 2 * kPage + 7), 0);
  EXPECT_TRUE(file->damaged());
  EXPECT_EQ(At(*file, 0), 'x');
  EXPECT_EQ(std::count(other->bytes().begin(), other->bytes().end(), 'x'), static_cast<ptrdiff_t>(3 * kPage));
  EXPECT_FALSE(other->damaged());
}

TEST_F(MappedFileTest, ManyThreadsMayMeetTheSameHole) {
  const auto file = Open("cut", 64);
  Cut("cut", 0);
  std::vector<std::thread> readers;
  for (int i = 0; i < 4; ++i) {
    readers.emplace_back([&file] {
      for (size_t page = 0; page < 64; ++page) EXPECT_EQ(At(*file, page * kPage), 0);
      EXPECT_TRUE(file->damaged());
    });
  }
  for (std::thread& reader : readers) reader.join();
}

TEST_F(MappedFileTest, AMappingThatIsGoneLeavesNoTrace) {
  auto file = Open("cut", 2);
  Cut("cut", 0);
  EXPECT_EQ(At(*file, 0), 0);
  file.reset();
  const auto next = Open("next", 2);
  EXPECT_FALSE(next->damaged());
  EXPECT_EQ(At(*next, kPage), 'x');
}

TEST_F(MappedFileTest, ABusErrorElsewhereIsAsFatalAsBefore) {
  const auto file = Open("cut", 1);
  EXPECT_EXIT(
      {
        const std::string path = directory_.Write("other", std::string(kPage, 'x'));
        const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
        const void* map = mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE, fd, 0);
        Cut("other", 0);
        _exit(*static_cast<const volatile char*>(map));
      },
      ::testing::KilledBySignal(SIGBUS), "");
}

}  // namespace
}  // namespace attendant

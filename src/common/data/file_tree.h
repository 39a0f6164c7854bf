// The files of a folder and of every folder in it: what the layouts of datasets are found in.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace attnunet::data {

/// Files that systems leave behind and nobody counts: hidden ones, macOS's ._NAME, Thumbs.db, __MACOSX, lost+found, ...
bool is_hidden(const std::filesystem::path& name);

struct Folder {
  std::vector<std::string> files, folders;  ///< names, bytewise, without hidden ones
};

struct FileTree {
  std::filesystem::path root;
  /// By path below the root, in generic form; the root itself is "". Folders named like an image are not walked.
  std::map<std::string, Folder> folders;
  std::map<std::string, std::string> unreadable;  ///< folders that cannot be read, and why
};

/// Folders that links lead back into are walked once. Throws Error if the root cannot be read.
FileTree walk(const std::filesystem::path& root);

/// "a/b" for "a" and "b"; "b" for "" and "b".
std::string joined(const std::string& folder, const std::string& name);

/// "7 files of 3 kinds were left out: 4 .txt ('notes.txt', 'a/b.txt', ...), ..." for people; "" for none.
std::string left_out_text(const std::vector<std::string>& files);

std::string lower_case(std::string text);

/// A path as a part of one file's name: "a_b" for "a/b".
std::string in_one_name(std::string path);

}  // namespace attnunet::data

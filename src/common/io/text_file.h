// Text files as people's programs write them.
#pragma once

#include <filesystem>
#include <string>

namespace attnunet {

/// Bytes as UTF-8 without a byte order mark, with '\n' as the only line end. Read are UTF-8, with and without a byte
/// order mark, and UTF-16 of either byte order, which is told by its mark, else by the zero byte of its first letter;
/// line ends may be LF, CRLF or CR. Bytes that are no UTF-8 stay as they are: file names may hold them.
/// Throws Error if UTF-16 is cut or has half a surrogate pair.
std::string decoded_text(const std::string& bytes);

/// Without the spaces and tabs at both ends.
std::string trimmed(const std::string& text);

/// The contents of a file, decoded. Throws Error naming it as `what` ("the list"), with `hint` (what to name instead),
/// if it cannot be read, is a folder, a pipe or a device, or larger than 64 MiB.
std::string text_of_file(const std::filesystem::path& path, const std::string& what, const std::string& hint);

}  // namespace attnunet

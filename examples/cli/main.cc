// s3files: files of a bucket from a shell.
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "examples/cli/commands.h"

namespace {

using cli::Arguments;
using cli::Command;
using cli::Usage;

constexpr char kHelp[] =
    R"(usage: s3files [-o NAME=VALUE]... [--root URL] [--state-dir DIR] [--json] [--progress] COMMAND ...

Files of a bucket:   s3://BUCKET/PATH           the root is the bucket
                     s3://BUCKET/PREFIX//PATH   the root is BUCKET/PREFIX; so is file:///DIR//PATH
Paths are taken as they are: nothing is unescaped, and there are no patterns.

  -o NAME=VALUE    an option of the file system, see s3f_fs_open in s3files.h; credentials come from
                   AWS_* as usual: -o endpoint=http://localhost:9000 -o timeout=10s
  --root URL       paths of the bucket are below this root
  --state-dir DIR  with what is staged there, as state_dir. Commands that change files commit that by
                   themselves, as any program does; ls, cat, stat, status, commit --dry-run do not,
                   discard and commit only what they are given
  --json           one JSON object a line. A byte of a name that is not UTF-8 is U+DC80 to U+DCFF, as
                   Python's os.fsencode takes them back. Failures, too, on stderr:
                   {"error": MESSAGE, "errno": NUMBER}, 0 where none is known
  --progress       bars on stderr where that is no terminal, too
  --help           after a command: its own help
  --version        the library's version

)";

constexpr char kExits[] =
    "\nExits with 0, 1 (something failed), 2 (the arguments are wrong) or 130 (interrupted).\n";

void Help() {
  std::cout << kHelp;
  for (const Command& command : cli::Commands()) std::cout << "  " << command.usage << '\n';
  std::cout << kExits;
}

void Help(const Command& command) {
  std::cout << "usage: s3files [OPTION]... " << command.usage << "\n\n"
            << command.help << "\n\ns3files --help tells the options and how paths are written.\n";
}

const Command& CommandOf(const std::string& name) {
  for (const Command& command : cli::Commands()) {
    if (name == command.name) return command;
  }
  throw Usage("there is no command \"" + name + "\": s3files --help lists them");
}

void Version() {
  const std::uint32_t version = s3f_version();
  std::cout << "s3files " << (version >> 16) << '.' << (version >> 8 & 0xff) << '.'
            << (version & 0xff) << '\n';
}

// The options before the command; `*next` is then the command. False: help or version was asked for,
// and told.
bool ReadOptions(const std::vector<std::string>& given, std::size_t* next,
                 cli::Settings* settings) {
  for (; *next < given.size() && given[*next].rfind('-', 0) == 0; ++*next) {
    const std::string& option = given[*next];
    const auto value = [&] {
      if (*next + 1 == given.size()) throw Usage(option + " needs a value");
      return given[++*next];
    };
    if (option == "--help" || option == "-h") {
      Help();
      return false;
    }
    if (option == "--version") {
      Version();
      return false;
    }
    if (option == "--json") {
      settings->json = true;
    } else if (option == "--progress") {
      settings->progress = true;
    } else if (option == "--state-dir") {
      settings->state_dir = value();
    } else if (option == "--root") {
      settings->root = value();
    } else if (option == "-o") {
      const std::string pair = value();
      const std::size_t equals = pair.find('=');
      if (equals == std::string::npos) throw Usage("-o " + pair + " is not NAME=VALUE");
      settings->options[pair.substr(0, equals)] = pair.substr(equals + 1);
    } else {
      throw Usage("there is no option " + option +
                  " before the command: s3files --help lists them");
    }
  }
  const auto state_dir = settings->options.find("state_dir");
  if (state_dir != settings->options.end()) settings->state_dir = state_dir->second;
  return true;
}

// nullopt: help was asked for.
std::optional<Arguments> ReadArguments(const Command& command,
                                       const std::vector<std::string>& given, std::size_t next) {
  Arguments arguments;
  bool flags = true;
  for (; next < given.size(); ++next) {
    const std::string& text = given[next];
    if (!flags || text.size() < 2 || text[0] != '-') {
      arguments.rest.push_back(text);
    } else if (text == "--") {
      flags = false;
    } else if (text == "--help" || text == "-h") {
      return std::nullopt;
    } else {
      // "-lR" is "-l -R".
      const bool word = text[1] == '-';
      for (std::size_t i = 1; i < (word ? 2 : text.size()); ++i) {
        const std::string flag = word ? text : std::string("-") + text[i];
        bool known = false;
        for (const std::string& one : command.flags) known = known || one == flag;
        if (!known) {
          throw Usage(std::string(command.name) + " has no option " + flag + ": usage: s3files " +
                      command.usage);
        }
        arguments.flags.insert(flag);
      }
    }
  }
  if (arguments.rest.size() < command.least || arguments.rest.size() > command.most) {
    throw Usage(std::string("usage: s3files ") + command.usage);
  }
  return arguments;
}

int Run(const std::vector<std::string>& given, cli::Settings& settings) {
  std::size_t next = 0;
  if (!ReadOptions(given, &next, &settings)) return 0;
  if (next == given.size()) throw Usage("no command is given: s3files --help lists them");
  const Command& command = CommandOf(given[next]);
  const std::optional<Arguments> arguments = ReadArguments(command, given, next + 1);
  if (!arguments) {
    Help(command);
    return 0;
  }
  cli::Session session(settings, command.never);
  const auto failed = [&](const std::string& message, int code = 0) {
    if (session.Interrupted()) {
      session.Warn("interrupted", EINTR);
      return 130;
    }
    session.Warn(message, code);
    return 1;
  };
  try {
    command.run(session, *arguments);
    session.Close();
  } catch (const s3files::error& error) {
    const std::string message = error.message();
    return failed(std::string(command.name) + ": " + (message.empty() ? error.what() : message),
                  error.code().value());
  } catch (const cli::Failure& failure) {
    return failed(std::string(command.name) + ": " + failure.what(), failure.code);
  }
  std::cout.flush();
  if (!std::cout) return failed("cannot write to stdout");
  return session.warned() ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  cli::Settings settings;
  try {
    return Run({argv + 1, argv + argc}, settings);
  } catch (const Usage& usage) {
    cli::TellFailure(settings, usage.what(), EINVAL);
    return 2;
  } catch (const std::exception& error) {
    cli::TellFailure(settings, error.what(), 0);
    return 1;
  }
}

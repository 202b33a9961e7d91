internal import CFuzz
internal import Glibc
@testable internal import mmaplua

exit(fuzz_main(CommandLine.argc, CommandLine.unsafeArgv))

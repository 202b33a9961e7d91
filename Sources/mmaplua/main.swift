internal import CHost
internal import Glibc
internal import LuaMap

exit(host_main(CommandLine.argc, CommandLine.unsafeArgv))

package import CMemoryMap
internal import Glibc

/// The stack size of a thread in bytes. The default of the C library follows "ulimit -s", which may be too
/// small.
private let stackSize = 1 << 20

/// Starts a thread that blocks all signals except those of faults: other signals go to the thread that runs
/// Lua.
///
/// - Returns: Nil if no thread can be created.
package func startThread(
    _ body: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer?,
    _ argument: UnsafeMutableRawPointer?
) -> pthread_t? {
    var all = sigset_t()
    var before = sigset_t()
    sigfillset(&all)
    for fault in [SIGBUS, SIGSEGV, SIGILL, SIGFPE] { sigdelset(&all, fault) }
    pthread_sigmask(SIG_SETMASK, &all, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    var attributes = pthread_attr_t()
    guard pthread_attr_init(&attributes) == 0 else { return nil }
    defer { pthread_attr_destroy(&attributes) }
    var thread = pthread_t()
    guard pthread_attr_setstacksize(&attributes, stackSize) == 0,
        pthread_create(&thread, &attributes, body, argument) == 0
    else { return nil }
    return thread
}

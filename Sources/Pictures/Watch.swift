internal import CMemoryMap
internal import Glibc
package import MemoryMap

/// Redraws a picture on the terminal 20 times a second. It has its own thread, so it continues during long
/// operations of the thread that runs the script.
///
/// It is stored in memory of the caller and ends with `stop`. Each part has its own address. While the thread
/// runs, only the thread uses `drawing`; parts that both threads use need the lock.
package struct Watch {
    private struct Drawing {
        let picture: Picture
        let title: UnsafePointer<CChar>
        let target: UnsafeMutableBufferPointer<UInt8>
        var lines = 0
    }

    private let drawing: UnsafeMutablePointer<Drawing>
    private let thread: UnsafeMutablePointer<pthread_t>
    private let lock: UnsafeMutablePointer<pthread_mutex_t>
    private let wake: UnsafeMutablePointer<pthread_cond_t>
    private let isOver: UnsafeMutablePointer<Bool>

    /// The size of that memory in bytes; a multiple of 8.
    package static var size: Int {
        MemoryLayout<Drawing>.stride &+ MemoryLayout<pthread_t>.stride &+ MemoryLayout<pthread_mutex_t>.stride
            &+ MemoryLayout<pthread_cond_t>.stride &+ 8
    }

    /// The watch that is stored at an address.
    package init(at memory: UnsafeMutableRawPointer) {
        var place = memory
        drawing = Watch.part(&place)
        thread = Watch.part(&place)
        lock = Watch.part(&place)
        wake = Watch.part(&place)
        isOver = Watch.part(&place)
    }

    @inline(__always)
    private static func part<T>(_ place: inout UnsafeMutableRawPointer) -> UnsafeMutablePointer<T> {
        defer { place += MemoryLayout<T>.stride }
        return place.assumingMemoryBound(to: T.self)
    }

    /// Draws once, then starts the thread that redraws.
    ///
    /// - Parameters:
    ///   - memory: `size` bytes, aligned to 8. It must stay valid until `stop`, as must everything that the
    ///     picture refers to.
    ///   - shouldContinue: Called during the first drawing; returns false to stop.
    /// - Throws: What the first drawing throws; `misuse` if no thread can be created.
    package static func start(
        _ picture: Picture, title: UnsafePointer<CChar>, into target: UnsafeMutableBufferPointer<UInt8>,
        at memory: UnsafeMutableRawPointer, shouldContinue: ShouldContinue
    ) throws(MapError) {
        let watch = Watch(at: memory)
        watch.drawing.initialize(to: Drawing(picture: picture, title: title, target: target))
        watch.isOver.initialize(to: false)
        try watch.draw(shouldContinue)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_mutex_init(watch.lock, nil)
        pthread_cond_init(watch.wake, &attributes)
        guard let thread = startThread(Watch.body, memory) else {
            throw MapError(.misuse, "cannot start a thread (\"ulimit -u\", \"ulimit -v\")")
        }
        watch.thread.initialize(to: thread)
    }

    private static let body: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { raw in
        guard let raw else { return nil }
        Watch(at: raw).redraw()
        return nil
    }

    private func redraw() {
        pthread_mutex_lock(lock)
        while !isOver.pointee {
            var until = timespec()
            clock_gettime(CLOCK_MONOTONIC, &until)
            until.tv_nsec &+= 50_000_000
            if until.tv_nsec >= 1_000_000_000 {
                until.tv_nsec &-= 1_000_000_000
                until.tv_sec &+= 1
            }
            if pthread_cond_timedwait(wake, lock, &until) == ETIMEDOUT {
                pthread_mutex_unlock(lock)
                // No picture if the mapping is closed or is being resized.
                try? draw { _ in !hasEnded }
                pthread_mutex_lock(lock)
            }
        }
        pthread_mutex_unlock(lock)
    }

    private var hasEnded: Bool {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        return isOver.pointee
    }

    /// Ends the redrawing with a last picture of the current state, unless that takes more than a second.
    package func stop() {
        pthread_mutex_lock(lock)
        isOver.pointee = true
        pthread_cond_signal(wake)
        pthread_mutex_unlock(lock)
        pthread_join(thread.pointee, nil)
        let latest = mm_now() &+ 1_000_000_000
        try? draw { _ in mm_now() < latest }
        pthread_cond_destroy(wake)
        pthread_mutex_destroy(lock)
    }

    /// Draws over the previous picture.
    private func draw(_ shouldContinue: ShouldContinue) throws(MapError) {
        let (title, target, lines) = (drawing.pointee.title, drawing.pointee.target, drawing.pointee.lines)
        let drawn = try drawing.pointee.picture.draw(
            title: title, into: target, ending: "\u{1B}[K\n", shouldContinue: shouldContinue)
        // Turns off line wrapping while drawing: a wrapped line would take two lines, and the count would be
        // wrong.
        let below: StaticString = "\u{1B}[J\u{1B}[?7h"
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 32) { buffer in
            var up = FixedText(buffer)
            up.text("\u{1B}[?7l")
            if lines > 0 {
                up.text("\u{1B}[")
                up.decimal(lines)
                up.text("A\r")
            }
            // One system call, so that a partial picture never appears.
            var parts = (
                iovec(iov_base: buffer.baseAddress, iov_len: up.count),
                iovec(iov_base: target.baseAddress, iov_len: drawn.count),
                iovec(
                    iov_base: UnsafeMutableRawPointer(mutating: below.utf8Start),
                    iov_len: below.utf8CodeUnitCount)
            )
            withUnsafeBytes(of: &parts) { raw in
                _ = writev(STDERR_FILENO, raw.bindMemory(to: iovec.self).baseAddress, 3)
            }
        }
        drawing.pointee.lines = drawn.lines
    }
}

internal import CMemoryMap
internal import Glibc

/// A range split into pieces, for work on several threads.
///
/// The split depends only on the range, and callers combine the results in the order of the pieces. So
/// results do not depend on the number of threads.
package struct ParallelRanges: Sendable {
    /// The number of elements.
    package let count: Int
    /// The number of elements in each piece; the last one may have fewer.
    package let grain: Int

    /// - Parameters:
    ///   - count: Elements, 0 or more.
    ///   - grain: The smallest piece that is worth a thread, in elements; at least 1.
    package init(_ count: Int, grain: Int) {
        self.count = count
        // At most 65,536 pieces, so that the memory for their results stays small even for a terabyte.
        self.grain = max(grain, (count >> 16) &+ 1)
    }

    package var number: Int { count == 0 ? 0 : (count &- 1) / grain &+ 1 }

    package func range(_ piece: Int) -> Range<Int> {
        let start = piece &* grain
        return start..<min(start &+ grain, count)
    }

    /// Runs `body` for each piece on several threads, including the caller's.
    ///
    /// - Parameters:
    ///   - shouldContinue: Called on the caller's thread after each of its pieces, with the number of elements done so
    ///     far; returns false to stop.
    ///   - leave: For pieces that may never end: called again and again after `shouldContinue` returned false, to end
    ///     those that other threads are at. `shouldContinue` is then also called while the others work.
    ///   - body: Called with the number and range of a piece, on any thread, for several pieces at once.
    ///     Returns false if the pieces after this one are not needed; the pieces before it are still done.
    /// - Throws: `interrupted` if `shouldContinue` returned false.
    package func forEach(
        shouldContinue: (_ done: Int) -> Bool, leave: (() -> Void)? = nil,
        _ body: (_ piece: Int, _ range: Range<Int>) -> Bool
    ) throws(MapError) {
        let number = self.number
        if number == 0 { return }
        if number == 1 {
            _ = body(0, range(0))
            if !shouldContinue(count) { throw MapError(.interrupted) }
            return
        }
        let isComplete = withoutActuallyEscaping(body) { body in
            var job = Job(pieces: self, limit: number, body: body)
            return withUnsafeMutablePointer(to: &job) { Workers.run($0, shouldContinue, leave) }
        }
        if !isComplete { throw MapError(.interrupted) }
    }

    /// The result of the first piece with a result. Pieces after it are skipped.
    ///
    /// - Throws: `interrupted` if `shouldContinue` returned false.
    package func first(
        shouldContinue: (_ done: Int) -> Bool, _ body: (_ range: Range<Int>) -> Int?
    ) throws(MapError) -> Int? {
        let number = self.number
        try requireHeap(number &* MemoryLayout<Int?>.stride)
        let results = UnsafeMutablePointer<Int?>.allocate(capacity: max(number, 1))
        results.initialize(repeating: nil, count: number)
        defer { results.deallocate() }
        try forEach(shouldContinue: shouldContinue) { piece, range in
            results[piece] = body(range)
            return results[piece] == nil
        }
        for piece in 0..<number {
            if let result = results[piece] { return result }
        }
        return nil
    }

    /// Runs `body` for every piece and returns the results in the order of the pieces.
    ///
    /// - Throws: `interrupted` if `shouldContinue` returned false.
    package func map<Result>(
        shouldContinue: (_ done: Int) -> Bool, _ body: (_ range: Range<Int>) -> Result
    ) throws(MapError) -> [Result] {
        let number = self.number
        // Twice, because the results are copied into an array.
        try requireHeap(2 &* number &* MemoryLayout<Result?>.stride)
        let results = UnsafeMutablePointer<Result?>.allocate(capacity: max(number, 1))
        results.initialize(repeating: nil, count: number)
        defer {
            results.deinitialize(count: number)
            results.deallocate()
        }
        try forEach(shouldContinue: shouldContinue) { piece, range in
            results[piece] = body(range)
            return true
        }
        return (0..<number).compactMap { results[$0] }
    }
}

/// A running operation. The lock of `Workers` guards everything but `body`.
private struct Job {
    let pieces: ParallelRanges
    /// The number of the first piece that is not needed.
    var limit: Int
    let body: (Int, Range<Int>) -> Bool
    var next = 0
    var done = 0
    var isStopped = false
    /// The number of pool threads that may still access this job.
    var helpers = 0
}

/// The number of threads for long operations; 1 means the caller's thread only.
///
/// - Returns: At least 1. The default is the number of processors that this process may use.
package var threadCount: Int {
    get { Workers.wanted }
    set { Workers.wanted = max(1, min(newValue, maximalThreadCount)) }
}

package let maximalThreadCount = 256

/// The thread pool. Threads start when they are first needed, and never end.
private enum Workers {
    nonisolated(unsafe) static var wanted = processorCount()
    nonisolated(unsafe) private static var started = 0
    nonisolated(unsafe) private static var current: UnsafeMutablePointer<Job>?
    /// The number of helpers that may still join the current job.
    nonisolated(unsafe) private static var seats = 0
    nonisolated(unsafe) private static let lock = makeLock()
    nonisolated(unsafe) private static let work = makeCondition()
    nonisolated(unsafe) private static let finished = makeCondition()

    private static func makeLock() -> UnsafeMutablePointer<pthread_mutex_t> {
        let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
        pthread_mutex_init(lock, nil)
        // After fork(2), the child has none of the threads. It starts its own.
        pthread_atfork(nil, nil) { Workers.forget() }
        return lock
    }

    private static func makeCondition() -> UnsafeMutablePointer<pthread_cond_t> {
        let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
        initialize(condition)
        return condition
    }

    private static func initialize(_ condition: UnsafeMutablePointer<pthread_cond_t>) {
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    private static func forget() {
        pthread_mutex_init(lock, nil)
        initialize(work)
        initialize(finished)
        (started, current, seats) = (0, nil, 0)
    }

    private static func processorCount() -> Int {
        max(1, min(Int(mm_processor_count()), maximalThreadCount))
    }

    /// Returns false if `shouldContinue` stopped the work.
    static func run(
        _ job: UnsafeMutablePointer<Job>, _ shouldContinue: (Int) -> Bool, _ leave: (() -> Void)?
    ) -> Bool {
        pthread_mutex_lock(lock)
        // Only one job has helpers. A job that another thread starts meanwhile runs on that thread alone.
        let isLeader = current == nil && wanted > 1
        if isLeader {
            start(min(wanted, job.pointee.limit) &- 1)
            current = job
            seats = min(wanted, job.pointee.limit) &- 1
            pthread_cond_broadcast(work)
        }
        var isPolled = true
        while takePiece(job) {
            let done = job.pointee.done
            pthread_mutex_unlock(lock)
            isPolled = shouldContinue(done)
            pthread_mutex_lock(lock)
            if !isPolled { job.pointee.isStopped = true }
        }
        if isLeader { (current, seats) = (nil, 0) }
        while job.pointee.helpers > 0 {
            guard let leave else {
                pthread_cond_wait(finished, lock)
                continue
            }
            if isPolled { wait(milliseconds: 10) }
            if job.pointee.helpers == 0 { break }
            let done = job.pointee.done
            pthread_mutex_unlock(lock)
            if isPolled { isPolled = shouldContinue(done) }
            if !isPolled { leave() }
            pthread_mutex_lock(lock)
            if isPolled { continue }
            job.pointee.isStopped = true
            if job.pointee.helpers > 0 { wait(milliseconds: 1) }
        }
        pthread_mutex_unlock(lock)
        return isPolled
    }

    /// Waits for helpers to end. The caller holds the lock.
    private static func wait(milliseconds: Int) {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        time.tv_nsec &+= milliseconds &* 1_000_000
        if time.tv_nsec >= 1_000_000_000 {
            (time.tv_sec, time.tv_nsec) = (time.tv_sec &+ 1, time.tv_nsec &- 1_000_000_000)
        }
        pthread_cond_timedwait(finished, lock, &time)
    }

    /// Runs the next piece, if any. The caller holds the lock, which is released while the piece runs.
    private static func takePiece(_ job: UnsafeMutablePointer<Job>) -> Bool {
        let piece = job.pointee.next
        if job.pointee.isStopped || piece >= job.pointee.limit { return false }
        job.pointee.next = piece &+ 1
        let range = job.pointee.pieces.range(piece)
        pthread_mutex_unlock(lock)
        let shouldContinue = job.pointee.body(piece, range)
        pthread_mutex_lock(lock)
        job.pointee.done &+= range.count
        if !shouldContinue { job.pointee.limit = min(job.pointee.limit, piece &+ 1) }
        return true
    }

    /// Starts threads until there are `number`, or no more can be created.
    private static func start(_ number: Int) {
        while started < number {
            guard let thread = startThread({ _ in Workers.serve() }, nil) else { return }
            pthread_detach(thread)
            started &+= 1
        }
    }

    private static func serve() -> UnsafeMutableRawPointer? {
        pthread_mutex_lock(lock)
        while true {
            while seats == 0 { pthread_cond_wait(work, lock) }
            guard let job = current else { continue }
            seats &-= 1
            job.pointee.helpers &+= 1
            while takePiece(job) {}
            job.pointee.helpers &-= 1
            if job.pointee.helpers == 0 { pthread_cond_signal(finished) }
        }
    }
}

/// Calls `body` with a new lock, for data that the threads of one job share.
func withLock<Answer>(
    _ body: (UnsafeMutablePointer<pthread_mutex_t>) throws(MapError) -> Answer
) throws(MapError) -> Answer {
    var lock = pthread_mutex_t()
    pthread_mutex_init(&lock, nil)
    defer { pthread_mutex_destroy(&lock) }
    return try withUnsafeMutablePointer(to: &lock) { (lock) throws(MapError) in try body(lock) }
}

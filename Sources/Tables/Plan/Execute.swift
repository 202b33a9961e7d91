internal import Glibc
internal import MemoryMap

extension RowStream {
    /// Reads all pieces, on several threads if the stream allows it.
    ///
    /// - Parameters:
    ///   - work: Reads the rows of a piece; on any thread, for several pieces at once.
    ///   - deposit: Gets the results in the order of the pieces, one at a time, on any thread. Returns false if no more are
    ///     needed.
    /// - Throws: The error of the first piece that has one.
    func forEachPiece<Local>(
        _ run: Run, _ work: (Cursor) throws(TableError) -> Local,
        deposit: (Local) throws(TableError) -> Bool
    ) throws(TableError) {
        run.begin(total)
        try run.withMachineCode { (leave) throws(TableError) in
            try readPieces(run, leave, work, deposit: deposit)
        }
    }

    /// - Parameter leave: Ends what other threads do, where it may never end.
    private func readPieces<Local>(
        _ run: Run, _ leave: (() -> Void)?, _ work: (Cursor) throws(TableError) -> Local,
        deposit: (Local) throws(TableError) -> Bool
    ) throws(TableError) {
        if !isParallel || threadCount == 1 {
            while let piece = try next() {
                if try !deposit(work(piece.cursor)) { return }
                try run.poll(piece.done)
            }
            return
        }
        let job = Job<Local>()
        do throws(MapError) {
            try withoutActuallyEscaping(work) { (work) throws(MapError) in
                try withoutActuallyEscaping(deposit) { (deposit) throws(MapError) in
                    try ParallelRanges(threadCount, grain: 1).forEach(
                        shouldContinue: { _ in leave == nil || run.shouldGoOn }, leave: leave
                    ) { _, _ in
                        job.drain(self, run, work, deposit)
                        return true
                    }
                }
            }
        } catch { throw TableError(error) }
        if let error = job.error { throw error }
        // The other threads may have done all of it.
        try run.poll()
    }
}

/// The state that the threads of one `forEachPiece` share; the lock guards it.
private final class Job<Local> {
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private var claimed = 0
    private var deposited = 0
    private var waiting: [Int: (local: Local, done: Int)] = [:]
    private var isDepositing = false
    private var isOver = false
    /// The number of the first piece with an error.
    private var failed = Int.max
    private(set) var error: TableError?

    init() { pthread_mutex_init(lock, nil) }

    deinit {
        pthread_mutex_destroy(lock)
        lock.deallocate()
    }

    /// Reads pieces until there are no more.
    func drain(
        _ stream: RowStream, _ run: Run, _ work: (Cursor) throws(TableError) -> Local,
        _ deposit: (Local) throws(TableError) -> Bool
    ) {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        let most = 2 &* threadCount &+ 4
        while !isOver {
            let number = claimed
            do throws(TableError) {
                if claimed &- deposited >= most {
                    try pause(run)
                    continue
                }
                guard let piece = try stream.next() else {
                    isOver = true
                    return
                }
                claimed &+= 1
                pthread_mutex_unlock(lock)
                let local: Local
                do throws(TableError) { local = try work(piece.cursor) } catch {
                    pthread_mutex_lock(lock)
                    throw error
                }
                pthread_mutex_lock(lock)
                waiting[number] = (local, piece.done)
                try depositAll(run, deposit)
            } catch { fail(number, error) }
        }
    }

    /// Lets the thread catch up that has the piece which is next in order: the results of those after it take memory.
    private func pause(_ run: Run) throws(TableError) {
        pthread_mutex_unlock(lock)
        defer { pthread_mutex_lock(lock) }
        usleep(500)
        try run.poll()
    }

    /// Gives away what is next in order. One thread at a time does so; the others read on meanwhile.
    private func depositAll(_ run: Run, _ deposit: (Local) throws(TableError) -> Bool) throws(TableError) {
        if isDepositing { return }
        isDepositing = true
        defer { isDepositing = false }
        while deposited < failed, let (local, done) = waiting.removeValue(forKey: deposited) {
            pthread_mutex_unlock(lock)
            var isEnough = false
            var failure: TableError?
            do throws(TableError) {
                isEnough = try !deposit(local)
                try run.poll(done)
            } catch { failure = error }
            pthread_mutex_lock(lock)
            if let failure {
                fail(deposited, failure)
                return
            }
            deposited &+= 1
            if isEnough {
                // Errors in later pieces do not matter.
                (isOver, failed) = (true, min(failed, deposited))
                if failed == deposited { error = nil }
                waiting = [:]
                return
            }
        }
    }

    private func fail(_ number: Int, _ failure: TableError) {
        isOver = true
        if number < failed { (failed, error) = (number, failure) }
    }
}

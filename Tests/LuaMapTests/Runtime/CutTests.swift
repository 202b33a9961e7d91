import Testing

/// Every operation of every object on a mapping whose file was truncated, from the cases in methods.lua.
@Suite struct CutTests {
    @Test func everyOperationOfABufferReportsTheFirstTouch() { check(suite: "cut") }
    @Test func operationsWithoutAccess() { check(suite: "cut") }
    @Test func everyOperationOfAViewReportsTheFirstTouch() { check(suite: "cut") }
    @Test func everyOperationOfRecordsReportsTheFirstTouch() { check(suite: "cut") }
    @Test func earlierObjectsReportTheLoss() { check(suite: "cut") }
    @Test func everythingIsCalledByACase() { check(suite: "cut") }
    /// In a process of its own, as it searches the process's descriptors.
    @Test func fileIsGrownReplacedOrRemoved() async {
        await #expect(processExitsWith: .exitCode(0)) {
            check(suite: "cut", test: "fileIsGrownReplacedOrRemoved()")
        }
    }
}

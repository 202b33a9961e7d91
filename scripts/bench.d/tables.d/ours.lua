-- ours.lua QUESTION FILE [FILE2 [OUTPUT]] - prints the answer, a line for each row with tabs between, and then
-- "#t SECONDS" by the clock inside, without the start of the program.
local question <const>, path <const>, other <const>, output <const> = arg[1], arg[2], arg[3], arg[4]
local ask = {}

function ask.challenge()
    local t = mmap.table(path, { sep = ";", columns = { "city string", "temp number" } })
    return t:group("city", { "min temp", "mean temp", "max temp" }):sort "city"
end

function ask.sales()
    local t = mmap.table(path, { header = true, columns = { "region string", "product string", "amount number" } })
    return t:group({ "region", "product" }, { "count", "sum amount", "mean amount", "quantile amount 0.5", "quantile amount 0.95" })
        :top(20, "sum amount")
end

local function joined()
    local facts = mmap.table(path, { header = true, columns = { "user integer", "quantity integer", "price number" } })
    return facts:join(mmap.table(other, { header = true, columns = { "user integer", "name string", "country string" } }), "user")
end
function ask.join() return joined():group("country", { "count", "sum quantity", "sum price" }):sort "country" end
function ask.write() joined():write(output) end

function ask.events()
    local t = mmap.table(path, { columns = { "http.status integer", "user.country string", "ms number" } })
    return t:where("http.status", ">=", 500)
        :group("user.country", { "count", "quantile ms 0.5", "quantile ms 0.95", "quantile ms 0.99" }):sort "user.country"
end

function ask.access()
    local t = mmap.table(path, {
        format = "lines", null = { "-" },
        pattern = [==[^\S+ \S+ \S+ \[(?<time>[^]]+)\] "\S+ (?<url>\S+) [^"]*" (?<status>\d+) (?<bytes>\S+)]==],
        columns = { "time time:%d/%b/%Y:%H:%M:%S %z", "url string", "status integer", "bytes integer" } })
    -- The status is a key too, which makes few more groups: so one look at the file tells those of 404.
    return t:group({ "hour time", "url", "status" }, { "count as n", "sum bytes as bytes" })
        :with("missing", function(status, n) return status == 404 and n or 0 end, "status", "n")
        :group({ "hour time", "url" }, { "sum n", "sum bytes", "sum missing" }):top(20, "sum bytes")
end

local columns <const> = { challenge = 4, sales = 7, join = 4, events = 5, access = 5 }

local out = {}
local cost = mmap.faults(function()
    local result = ask[question]()
    if not result then return end
    local width <const> = columns[question]
    for _, a, b, c, d, e, f, g in result:rows() do
        local row = { a, b, c, d, e, f, g }
        for i = 1, width do
            row[i] = math.type(row[i]) == "float" and ("%.17g"):format(row[i]) or tostring(row[i])
        end
        out[#out + 1] = table.concat(row, "\t", 1, width)
    end
end)
for _, row in ipairs(out) do print(row) end
print(("#t %.6f"):format(cost.seconds))

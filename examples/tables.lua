-- tables.lua FOLDER - questions about a shop's files, a line or two each: orders (CSV), products (TSV), and an access log.
-- tables.lua --generate ROWS FOLDER - makes these files.
--
-- test: --generate 3000 "$TMP"
-- test: "$TMP"

local function generate(rows, folder)
  math.randomseed(rows)
  local function pick(list) return list[math.random(#list)] end
  local function write(name, line, count, header)
    mmap.writefile(folder .. "/" .. name, function(file)
      file:write(header)
      for i = 1, count do file:write(line(i), "\n") end
    end)
  end
  write("products.tsv", function(i)
    return ("%d\t%s %d\t%.2f"):format(i, pick { "lamp", "chair", "table", "mirror" }, i, math.random(500, 20000) / 100)
  end, 40, "product\tname\tprice\n")
  write("orders.csv", function(i)
    -- A tenth of the orders has no customer, and a few are of products that are not in the list.
    return ('%d,2026-%02d-%02dT%02d:%02d:00Z,%s,%d,%d'):format(i, math.random(12), math.random(28), math.random(0, 23), math.random(0, 59),
      pick { "Ada", '"Bell, Jo"', '"the ""other"" Kim"', "Lee", "", "Max", "Noor", "Oz", "Pat", "Quinn" }, math.random(42), math.random(5))
  end, rows, "order,time,customer,product,pieces\n")
  write("access.log", function(i)
    local second = i * 86400 // (rows + 1)
    return ('192.0.2.%d - - [23/Nov/2026:%02d:%02d:%02d +0100] "GET /product/%d HTTP/1.1" %d %s'):format(math.random(99), second // 3600,
      second // 60 % 60, second % 60, math.random(42), pick { 200, 200, 200, 304, 404 }, pick { math.random(9000), "-" })
  end, rows, "")
end

if #arg == 3 and arg[1] == "--generate" and math.tointeger(arg[2]) then return generate(math.tointeger(arg[2]), arg[3]) end
if #arg ~= 1 or arg[1]:sub(1, 2) == "--" then
  io.stderr:write "usage: mmaplua tables.lua FOLDER | --generate ROWS FOLDER\n"
  os.exit(2)
end

local folder <const> = arg[1]
local orders <const> = mmap.table(folder .. "/orders.csv")
local products <const> = mmap.table(folder .. "/products.tsv")

print "What was found in the orders' first rows:"
for _, column in ipairs(orders:columns()) do print("", column.name, column.type) end

print "\nWho orders most often?"
print(orders:where("customer", "notnull"):group("customer", { "count as orders", "sum pieces", "median pieces" }):sort("orders", "desc"):head(3))

print "\nWhich products bring most?"
local sold <const> = orders:join(products, "product")
  :with("amount", function(pieces, price) return pieces * price end, "pieces", "price")
print(sold:group("name", { "sum amount as amount", "count" }):top(5, "amount"))

print "\nHow much is it each month?"
for _, month, amount in sold:group("month time", { "sum amount as amount" }):sort("month time"):rows() do
  print(os.date("!%Y-%m", math.tointeger(month)), ("%9.2f"):format(amount))
end

print "\nWhich orders are of unknown products?"
print(orders:join(products, "product", "left"):where("name", "isnull"):group("product", { "count", "min time as first" }):sort "product")

print "\nWhen are most pages not found, by the log?"
local log <const> = mmap.table(folder .. "/access.log", {
  format = "lines", null = { "-" },
  pattern = [==[^(?<host>\S+) \S+ \S+ \[(?<time>[^]]+)\] "\S+ (?<url>\S+) [^"]*" (?<status>\d+) (?<bytes>\S+)]==],
  columns = { "host string", "time time:%d/%b/%Y:%H:%M:%S %z", "url string", "status integer", "bytes integer" } })
print(log:where("status", "==", 404):group("hour time", { "count as missing", "distinct url as pages" }):top(3, "missing"))

print "\nWhat is looked at, and how large is it?"
print(log:where("status", "<", 300):group("url", { "count", "quantile bytes 0.9 as p90" }):top(3, "count"))

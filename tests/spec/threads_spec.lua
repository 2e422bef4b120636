-- Micro-threads as a rulebook meets them: started and ended from inside, by priority, each with a budget of its own.
local sim = require "umpire.sim"

local function play(text, seed)
  local book = "local host = require 'umpire'\nlocal book = { api = 1 }\n" .. text .. "\nreturn book"
  local world = sim.run_text(book, { seed = seed })
  return world, world:connect "neteria"
end

local function close(world)
  world:close()
  assert.equal(0, sim.open_objects())
end

-- The numbers that the last notify of this name carried.
local function last(player, name)
  local all = player:received(name)
  return all[#all]
end

describe("micro-threads", function()
  it("count down, and are called off", function()
    local world, ann = play [[
local countdown
function book.execute(_, event)
  if event.name == "call off" then return host.broadcast("called off", host.cancel(countdown)) end
  countdown = host.spawn(function()
    for i = 5, 1, -1 do host.broadcast("in", i) host.sleep(1) end
    host.broadcast "go"
  end)
end]]
    ann:send "start"
    world:advance(3.5)
    assert.same({ 5, 4, 3, 2 }, ann:received "in")
    ann:send "call off"
    world:advance(10)
    assert.same({ true }, ann:received "called off")
    assert.same({ 5, 4, 3, 2 }, ann:received "in")
    assert.equal(0, #ann:received "go")
    close(world)
  end)

  it("start others and end others", function()
    local world, ann = play [[
local steps = 0
function book.execute(client, event)
  if event.name == "ask" then return host.notify(client, "steps", steps) end
  host.spawn(function()
    local herd = {}
    for i = 1, 10 do
      herd[i] = host.spawn(function() while true do steps = steps + 1 host.sleep(1) end end)
      host.yield()
    end
    host.sleep(4.5)
    for _, sheep in ipairs(herd) do host.cancel(sheep) end
  end)
end]]
    ann:send "go"
    world:advance(20)
    ann:send "ask"
    world:advance(1)
    assert.equal(50, last(ann, "steps"))
    close(world)
  end)

  it("run by priority, and nobody is starved", function()
    local world, ann = play [[
local runs = { 0, 0, 0, 0 }
local function worker(i, priority, work)
  return function()
    while true do
      for _ = 1, work do end
      runs[i] = runs[i] + 1
      host.yield(priority)
    end
  end
end
function book.execute(client, event)
  if event.name == "ask" then return host.notify(client, "runs", runs) end
  for _ = 1, 20 do host.spawn(worker(1, 9, 300000)) end -- 3 ms of work each
  host.spawn(worker(2, 0, 10))
  host.spawn(worker(3, nil, 10))
  host.spawn(worker(4, 99, 10))
end]]
    ann:send "go"
    world:advance(0.2)
    ann:send "ask"
    world:advance(1)
    local runs = last(ann, "runs")
    assert.equal(runs[2], runs[3])
    assert.is_true(runs[2] >= 199 and runs[2] <= 201, "real time: " .. runs[2])
    assert.is_true(runs[1] >= 20 * 19 and runs[1] <= 20 * 21, "9: " .. runs[1])
    assert.is_true(runs[4] == 2 or runs[4] == 3, "99: " .. runs[4])
    close(world)
  end)

  it("are ended by their budget when they never give way, and say where", function()
    local world, ann = play [[
local function search(n)
  while true do n = n + 1 end
end
function book.execute(client)
  host.spawn(function()
    pcall(search, 1)
    host.notify(client, "never")
  end)
  host.spawn(function() host.sleep(1) host.notify(client, "fine") end)
end]]
    ann:send "go"
    world:advance(3)
    assert.equal(1, #ann:received "fine")
    assert.equal(0, #ann:received "never")
    local told = world:logged "budget"
    assert.matches("%.lua:4: this call ran for more than its budget", told)
    assert.matches("%.lua:8: in the function of line 7\n", told)
    close(world)
  end)

  it("end alone when they fail, and nothing that the slice asked for happens", function()
    local world, ann = play [[
function book.execute(client)
  for i = 1, 3 do
    host.spawn(function()
      host.sleep(1)
      host.notify(client, "here", i)
      if i == 2 then error "two" end
      host.sleep(1)
      host.notify(client, "still here", i)
    end)
  end
end]]
    ann:send "go"
    world:advance(5)
    assert.same({ 1, 3 }, ann:received "here")
    assert.same({ 1, 3 }, ann:received "still here")
    assert.matches("%.lua:8: two\n", world:logged "two")
    close(world)
  end)

  it("run the same each time", function()
    local runs = {}
    for i = 1, 2 do
      local world, ann = play([[
local order = {}
function book.execute(client, event)
  if event.name == "ask" then return host.notify(client, "order", table.concat(order, " ")) end
  for i = 1, 30 do
    host.spawn(function()
      while true do
        for _ = 1, host.random(1, 100000) do end
        order[#order + 1] = i
        if host.random(3) == 1 then host.sleep(host.random() / 100) else host.yield(host.random(0, 5)) end
      end
    end)
  end
end]], 7)
      ann:send "go"
      world:advance(0.05)
      ann:send "ask"
      world:advance(1)
      runs[i] = last(ann, "order")
      close(world)
    end
    assert.is_true(#runs[1] > 500)
    assert.equal(runs[1], runs[2])
  end)
end)

import type { Sink } from 'graphql-ws'

/** How long a stream that has shown something keeps its place while others wait. */
const turnMs = 1_000
/** How long one that has not keeps it the first time. It has twice as long each time, so that the slowest server starves none. */
const silentTurnMs = 10_000

interface Turn<Operation> {
  readonly operation: Operation
  readonly sink: Sink
  end: (() => void) | undefined
  startedAt: number
  hasShown: boolean
  silentMs: number
}

export interface SlotTimes {
  readonly turnMs?: number
  readonly silentTurnMs?: number
}

/**
 * Runs at most `count` streams at a time. When more are wanted they take turns: each event of the API's live figures is complete in
 * itself, and the first one comes at once, so that a stream that is opened now and then shows the truth of that moment.
 */
export function createSlots<Operation>(
  count: number,
  open: (operation: Operation, sink: Sink) => () => void,
  times: SlotTimes = {},
) {
  const shortestMs = times.turnMs ?? turnMs
  const running = new Set<Turn<Operation>>()
  const waiting: Turn<Operation>[] = []
  let timer: ReturnType<typeof setInterval> | undefined

  const start = (turn: Turn<Operation>) => {
    running.add(turn)
    turn.startedAt = performance.now()
    turn.hasShown = false
    turn.end = open(turn.operation, sinkOfTurn(turn))
  }
  /** What an earlier turn still says is not heard. A stream that ended by itself leaves its place to others. */
  const sinkOfTurn = (turn: Turn<Operation>): Sink => {
    const { startedAt } = turn
    const isOver = () => turn.startedAt !== startedAt || !running.has(turn)
    const leave = (tell: () => void) => {
      if (isOver()) return
      running.delete(turn)
      tell()
      fill()
    }
    return {
      next: (value) => {
        if (isOver()) return
        turn.hasShown = true
        turn.sink.next(value)
      },
      error: (error) => leave(() => turn.sink.error(error)),
      complete: () => leave(() => turn.sink.complete()),
    }
  }
  const fill = () => {
    while (running.size < count && waiting.length > 0) start(waiting.shift()!)
    if (waiting.length > 0) timer ??= setInterval(rotate, shortestMs)
    else {
      clearInterval(timer)
      timer = undefined
    }
  }
  const hasHadItsTurn = (turn: Turn<Operation>) =>
    performance.now() - turn.startedAt >= (turn.hasShown ? shortestMs : turn.silentMs)
  const rotate = () => {
    const done = [...running].filter(hasHadItsTurn).slice(0, waiting.length)
    for (const turn of done) {
      running.delete(turn)
      if (!turn.hasShown) turn.silentMs *= 2
      turn.end?.()
      turn.end = undefined
      waiting.push(turn)
    }
    fill()
  }
  return {
    open: (operation: Operation, sink: Sink) => {
      const silentMs = times.silentTurnMs ?? silentTurnMs
      const turn: Turn<Operation> = { operation, sink, end: undefined, startedAt: 0, hasShown: false, silentMs }
      waiting.push(turn)
      fill()
      return () => {
        running.delete(turn)
        if (waiting.includes(turn)) waiting.splice(waiting.indexOf(turn), 1)
        turn.end?.()
        fill()
      }
    },
  }
}

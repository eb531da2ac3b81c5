import type { Sink } from 'graphql-ws'

/** How long a stream keeps its place while others wait. */
const turnMs = 2_000

interface Turn<Operation> {
  readonly operation: Operation
  readonly sink: Sink
  end: (() => void) | undefined
}

/**
 * Runs at most `count` streams at a time. When more are wanted they take turns: each event of the API's live figures is complete in
 * itself, and the first one comes at once, so that a stream that is opened now and then shows the truth of that moment.
 */
export function createSlots<Operation>(count: number, open: (operation: Operation, sink: Sink) => () => void) {
  const running: Turn<Operation>[] = []
  const waiting: Turn<Operation>[] = []
  let timer: ReturnType<typeof setInterval> | undefined

  const start = (turn: Turn<Operation>) => {
    running.push(turn)
    turn.end = open(turn.operation, turn.sink)
  }
  const fill = () => {
    while (running.length < count && waiting.length > 0) start(waiting.shift()!)
    if (waiting.length === 0) clearInterval(timer)
    else timer ??= setInterval(rotate, turnMs)
    if (waiting.length === 0) timer = undefined
  }
  const rotate = () => {
    const oldest = running.shift()
    if (!oldest) return
    oldest.end?.()
    oldest.end = undefined
    waiting.push(oldest)
    fill()
  }
  return {
    open: (operation: Operation, sink: Sink) => {
      const turn: Turn<Operation> = { operation, sink: { ...sink, complete: () => {} }, end: undefined }
      waiting.push(turn)
      fill()
      return () => {
        turn.end?.()
        for (const list of [running, waiting]) if (list.includes(turn)) list.splice(list.indexOf(turn), 1)
        fill()
      }
    },
  }
}

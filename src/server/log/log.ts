import pino from 'pino'
import type { LogLevel } from '../configuration/config.ts'
import { boundFields, boundText } from './bounds.ts'
import { createTerminalLines, type LogSink } from './terminal.ts'

type Write = (fields: object, message: string) => void

/** The log of a process or of one part of it. Other folders declare the part that they use. */
export type Log = {
  debug: Write
  info: Write
  warn: Write
  error: Write
  /** The same log, with these fields in each line, e.g. `requestId`. */
  child(fields: object): Log
}

export type LogOptions = {
  level: LogLevel
  /** Readable text instead of JSON lines. */
  forTerminal?: boolean
  /** Where lines go to; stdout by default. */
  sink?: LogSink
}

// Bytes that wait for a reader that has stopped reading. Beyond it lines are dropped, so that memory stays bounded.
const MAX_WAITING_BYTES = 8 * 1024 * 1024

/**
 * Writes one line per event: JSON, or text for people. Strings are bounded, and what is called like a secret or looks
 * like a key of ours is not written.
 */
export function createLog({ level, forTerminal = false, sink = openStdout(forTerminal) }: LogOptions): Log {
  const destination = forTerminal ? createTerminalLines(sink) : sink
  return wrap(pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination))
}

function wrap(logger: pino.Logger): Log {
  const write =
    (level: 'debug' | 'info' | 'warn' | 'error'): Write =>
    (fields, message) => {
      if (logger.isLevelEnabled(level)) logger[level](boundFields(fields), boundText(message))
    }
  return {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    child: (fields) => wrap(logger.child(boundFields(fields))),
  }
}

/** A slow reader must not hold up requests: lines wait in memory, and are written before the process ends. */
function openStdout(forTerminal: boolean): LogSink {
  return pino.destination({ dest: 1, sync: forTerminal, maxLength: MAX_WAITING_BYTES })
}

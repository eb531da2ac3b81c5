/**
 * Put before a process with `--import`: its clock shows what the file that `JUMPING_CLOCK` names says it is off by, in
 * milliseconds, read again at each SIGUSR2. What only goes forward (`performance.now`, timers) goes on as it does when a
 * machine's clock is set.
 */
import { readFileSync } from 'node:fs'

const file = process.env['JUMPING_CLOCK'] ?? ''
const RealDate = Date
let offsetMs = 0

function read(): void {
  offsetMs = Number(readFileSync(file, 'utf8'))
}

class JumpingDate extends RealDate {
  constructor(...args: unknown[]) {
    super(...((args.length === 0 ? [RealDate.now() + offsetMs] : args) as [number]))
  }

  static override now(): number {
    return RealDate.now() + offsetMs
  }
}

read()
process.on('SIGUSR2', read)
globalThis.Date = JumpingDate as DateConstructor

/** Shows progress on stderr: on a terminal in one line that changes, else in a new line every ten seconds. */
export interface Progress {
  readonly report: (what: string, bytes: number) => void
  readonly end: () => void
}

const terminalEveryMs = 200
const elsewhereEveryMs = 10_000

export function createProgress(verb: string, stream: NodeJS.WriteStream = process.stderr): Progress {
  const everyMs = stream.isTTY ? terminalEveryMs : elsewhereEveryMs
  let total = 0
  let toldAtMs = performance.now()
  return {
    report(what, bytes) {
      total += bytes
      if (performance.now() - toldAtMs < everyMs) return
      toldAtMs = performance.now()
      const text = `${verb} ${what}: ${formatBytes(total)}`
      stream.write(stream.isTTY ? `\r\u001b[K${text}` : `${text}\n`)
    },
    end() {
      if (stream.isTTY) stream.write('\r\u001b[K')
    },
  }
}

const units = ['bytes', 'KB', 'MB', 'GB', 'TB'] as const

/** e.g. `12.5 MB`, in powers of 1000. */
export function formatBytes(bytes: number): string {
  let [value, unit] = [bytes, 0]
  while (value >= 1000 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1]
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`
}

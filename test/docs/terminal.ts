/** One shell, into which blocks are pasted one after the other: what one of them sets is there for the next. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'

export interface Terminal extends AsyncDisposable {
  /** What the lines print, on stdout and stderr. Throws with it if one of them fails; then the shell has ended. */
  readonly paste: (lines: string) => Promise<string>
}

export interface TerminalOptions {
  readonly env?: Readonly<Record<string, string>>
  /** Default: that of the tests. */
  readonly cwd?: string
}

const end = '\u0004 end of the block'

export function openTerminal({ env, cwd }: TerminalOptions = {}): Terminal {
  const shell = spawn('bash', ['-e', '-o', 'pipefail'], { env: { ...process.env, ...env }, cwd, stdio: 'pipe' })
  const exited = once(shell, 'exit')
  let shown = ''
  let notify = () => {}
  for (const output of [shell.stdout, shell.stderr])
    output.setEncoding('utf8').on('data', (text: string) => {
      shown += text
      notify()
    })
  const isDone = (done: Promise<unknown>) =>
    new Promise<boolean>((resolve) => {
      notify = () => shown.includes(end) && resolve(true)
      void done.then(() => resolve(false))
    })
  return {
    async paste(lines) {
      shown = ''
      const done = isDone(exited)
      shell.stdin.write(`{ ${lines}\n} </dev/null\nprintf '%s' '${end}'\n`)
      if (!(await done)) throw new Error(`the shell ended:\n${lines}\n${shown}`)
      return shown.replace(end, '')
    },
    async [Symbol.asyncDispose]() {
      shell.stdin.end()
      await exited
    },
  }
}

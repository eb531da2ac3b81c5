import type { Command } from 'commander'
import type { Finding } from '../server/doctor/finding.ts'
import { exitCodes } from './exit-code.ts'
import { prepare } from './prepare.ts'
import { print, printJson } from './print.ts'
import type { Shell } from './shell.ts'

/** `signalbox doctor` */
export function addDoctor(program: Command, shell: Shell): void {
  program
    .command('doctor')
    .summary('look for what is wrong with an installation, and say what to do')
    .description(
      'Looks at all that `serve` needs with these settings: the data folder, the ports, the database and what is in it, the encryption key, ' +
        'addresses of upstreams, other processes. Changes nothing, and works beside a running server. Exit code 1 if something fails.',
    )
    .option('--json', 'print {"findings": [{"check", "state": "ok" | "warn" | "fail", "text", "advice"}]}')
    .action(({ json }: { json?: true }) => runDoctor(shell, json === true))
}

async function runDoctor(shell: Shell, json: boolean): Promise<void> {
  const findings = await findOut(shell)
  if (json) printJson({ findings })
  else print(findings.map(describe).join('\n'))
  if (findings.some(({ state }) => state === 'fail')) shell.endWith(exitCodes.failed)
}

async function findOut(shell: Shell): Promise<readonly Finding[]> {
  const [{ examine }, { readProductVersion }] = await Promise.all([
    import('../server/doctor/examine.ts'),
    import('../server/configuration/product-version.ts'),
  ])
  try {
    const { config, log } = await prepare(shell, 'stderr')
    return await examine(config, log, readProductVersion())
  } catch (error) {
    const { name, faults } = error as { name: string; faults?: readonly string[] }
    if (name !== 'ConfigError' || !faults) throw error
    return faults.map((text) => ({ check: 'settings', state: 'fail', text, advice: 'Change the environment.' }))
  }
}

function describe({ check, state, text, advice }: Finding): string {
  const line = `${state.padEnd(4)}  ${check}: ${text}`
  return advice === null ? line : `${line}\n      → ${advice}`
}

import type { Command } from 'commander'
import { readProductVersion } from '../server/configuration/product-version.ts'
import { print, printJson } from './print.ts'

/** `signalbox version` */
export function addVersion(program: Command): void {
  program
    .command('version')
    .description('print the version')
    .option('--json', 'print {"version", "node"}')
    .action(({ json }: { json?: true }) => {
      const version = readProductVersion()
      if (json) printJson({ version, node: process.versions.node })
      else print(version)
    })
}

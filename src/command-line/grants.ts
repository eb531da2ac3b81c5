import { type Command, InvalidArgumentError } from 'commander'
import { print } from './print.ts'

/** `signalbox grants` */
export function addGrants(program: Command): void {
  program
    .command('grants')
    .summary('print SQL that makes a database user for gateways')
    .description(
      'Prints SQL that makes a database user for processes of the role "gateway", with the least rights: it reads the configuration, and writes ' +
        'usage, leases and reports. Run it as the owner of the tables, and again after each upgrade; set a password yourself:\n\n' +
        '  signalbox grants | psql "$DATABASE_URL"\n' +
        '  psql "$DATABASE_URL" -c "\\password signalbox_gateway"',
    )
    .option('--user <name>', 'of the user', identifier, 'signalbox_gateway')
    .option('--schema <name>', 'where the tables are', identifier, 'public')
    .action(async (options: { user: string; schema: string }) => {
      const { gatewayGrantsSql } = await import('../storage/gateway/grants.ts')
      print(gatewayGrantsSql(options).trimEnd())
    })
}

const longestIdentifierBytes = 63

/** PostgreSQL would truncate a longer name and give the rights to another user. */
function identifier(text: string): string {
  const isOne = text !== '' && !text.includes('\0') && Buffer.byteLength(text) <= longestIdentifierBytes
  if (!isOne) throw new InvalidArgumentError(`It must have 1 to ${longestIdentifierBytes} bytes.`)
  return text
}

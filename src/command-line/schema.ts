import type { Command } from 'commander'

/** `signalbox schema` */
export function addSchema(program: Command): void {
  program.command('schema').description('print the GraphQL schema').action(runSchema)
}

async function runSchema(): Promise<void> {
  const { printedSchema } = await import('../graphql/schema/schema.ts')
  process.stdout.write(printedSchema())
}

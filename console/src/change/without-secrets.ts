/** JSON of variables as they may be shown and copied into a ticket: what a field holds that is a secret, or may be one, is left out. */
export function withoutSecrets(variables: unknown): unknown {
  return JSON.parse(
    JSON.stringify(variables, (name, value: unknown) => {
      if (name === 'secrets' && Array.isArray(value) && value.length > 0) return ['THE KEY']
      if (name === 'secret' && value) return 'THE KEY'
      if (name === 'headers' && Array.isArray(value))
        return (value as { name: string }[]).map((header) => ({ name: header.name, value: 'THE VALUE' }))
      return value
    }),
  )
}

/** What every object with a global id has; the id tells its type. */
export interface NodeRow {
  readonly id: string
}

/** How it is counted apart. */
export function PerField() {
  return (
    <label>
      Counted
      <select name="per">
        <option value="">for all together</option>
        <option value="API_KEY">for each key</option>
        <option value="USER">for each user</option>
        <option value="ROUTE">for each route</option>
      </select>
    </label>
  )
}

/** The input for what was chosen in the field. */
export function perInput(chosen: string): ('API_KEY' | 'USER' | 'ROUTE')[] {
  return chosen === 'API_KEY' || chosen === 'USER' || chosen === 'ROUTE' ? [chosen] : []
}

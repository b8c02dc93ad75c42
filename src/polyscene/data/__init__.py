"""From raw tables to choices: schema, readers, public sets, scenarios, splits."""

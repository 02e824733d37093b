-- name: companies_by_ids
-- The companies with these ids.
SELECT id, name, vat_number, external_reference, version, created_at FROM companies
 WHERE environment_id = $1 AND id = ANY ($2::uuid[]);

-- name: companies_page
-- Companies by id; those after one.
SELECT id, name, vat_number, external_reference, version, created_at FROM companies
 WHERE environment_id = $1 AND id > $2 ORDER BY id LIMIT $3;

-- name: company_for_update
-- A company, kept from other changes until the transaction ends.
SELECT id, name, vat_number, external_reference, version, created_at FROM companies
 WHERE environment_id = $1 AND id = $2 FOR UPDATE;

-- name: insert_company
-- A new company.
INSERT INTO companies (environment_id, id, name, vat_number, external_reference) VALUES ($1, $2, $3, $4, $5)
RETURNING id, name, vat_number, external_reference, version, created_at;

-- name: update_company
-- A company as it is to be. The caller has locked it.
UPDATE companies SET name = $3, vat_number = $4, external_reference = $5, version = version + 1
 WHERE environment_id = $1 AND id = $2 RETURNING id, name, vat_number, external_reference, version, created_at;

-- name: touch_company
-- A company's people changed. The caller has locked it.
UPDATE companies SET version = version + 1 WHERE environment_id = $1 AND id = $2
RETURNING id, name, vat_number, external_reference, version, created_at;

-- name: employees_of_companies
-- Who may do what for these companies.
SELECT company_id, customer_id, role FROM employees
 WHERE environment_id = $1 AND company_id = ANY ($2::uuid[]) ORDER BY company_id, customer_id;

-- name: employments_of
-- For which companies these customers may buy.
SELECT company_id, customer_id, role FROM employees
 WHERE environment_id = $1 AND customer_id = ANY ($2::uuid[]) ORDER BY customer_id, company_id;

-- name: put_employee
-- What a customer may do for a company.
INSERT INTO employees (environment_id, company_id, customer_id, role) VALUES ($1, $2, $3, $4)
ON CONFLICT (environment_id, company_id, customer_id) DO UPDATE SET role = excluded.role;

-- name: delete_employee
-- A customer may do nothing for a company.
DELETE FROM employees WHERE environment_id = $1 AND company_id = $2 AND customer_id = $3 RETURNING customer_id;

-- name: customer_id_by_email
-- Who has an address.
SELECT id FROM customers WHERE environment_id = $1 AND email = $2 FOR KEY SHARE;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Timestamp;
import java.util.ArrayList;
import java.util.List;
import java.util.StringJoiner;

/**
 * What a tool that is built on the JDBC driver does: lists a schema, reads all that is in it, and tries what it should not be able to.
 *
 * Arguments: URL, user, password, schema. Lines of its input are statements to try. Its output has tabs between the parts of a line:
 * {@code table NAME} and {@code column TABLE NAME} as the catalogue lists them, {@code result TABLE COLUMN TYPE PRECISION SCALE} as they
 * are read, with the numbers of java.sql.Types, {@code row TABLE VALUE…}, {@code tried STATE STATEMENT} where STATE is {@code done} or
 * the server's code of the error. Where it cannot connect it ends with 3.
 */
class ReadPublished {
    public static void main(String[] arguments) throws Exception {
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        try (Connection connection = DriverManager.getConnection(arguments[0], arguments[1], arguments[2])) {
            String schema = arguments[3];
            for (String table : list(connection.getMetaData(), schema, out)) {
                read(connection, schema, table, out);
            }
            BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
            for (String sql = input.readLine(); sql != null; sql = input.readLine()) {
                out.println("tried\t" + attempt(connection, sql) + "\t" + sql);
            }
        } catch (SQLException error) {
            System.err.println(error + " " + error.getCause());
            System.exit(3);
        } finally {
            out.flush();
        }
    }

    static List<String> list(DatabaseMetaData about, String schema, PrintStream out) throws SQLException {
        List<String> tables = new ArrayList<>();
        try (ResultSet found = about.getTables(null, schema, "%", null)) {
            while (found.next()) {
                tables.add(found.getString("TABLE_NAME"));
                out.println("table\t" + found.getString("TABLE_NAME"));
            }
        }
        try (ResultSet found = about.getColumns(null, schema, "%", "%")) {
            while (found.next()) {
                out.println("column\t" + found.getString("TABLE_NAME") + "\t" + found.getString("COLUMN_NAME"));
            }
        }
        return tables;
    }

    static void read(Connection connection, String schema, String table, PrintStream out) throws SQLException {
        String sql = "select * from \"" + schema + "\".\"" + table + "\"";
        try (Statement statement = connection.createStatement(); ResultSet rows = statement.executeQuery(sql)) {
            ResultSetMetaData about = rows.getMetaData();
            for (int at = 1; at <= about.getColumnCount(); at++) {
                out.println(String.join("\t", "result", table, about.getColumnName(at),
                    Integer.toString(about.getColumnType(at)), Integer.toString(about.getPrecision(at)),
                    Integer.toString(about.getScale(at))));
            }
            while (rows.next()) {
                StringJoiner line = new StringJoiner("\t").add("row").add(table);
                for (int at = 1; at <= about.getColumnCount(); at++) {
                    line.add(shown(rows, at));
                }
                out.println(line);
            }
        }
    }

    static String shown(ResultSet rows, int at) throws SQLException {
        Object value = rows.getObject(at);
        if (value instanceof BigDecimal number) {
            return number.toPlainString();
        }
        if (value instanceof Timestamp) {
            return rows.getString(at).replace(' ', 'T');
        }
        return value == null ? "NULL" : value.toString();
    }

    static String attempt(Connection connection, String sql) {
        try (Statement statement = connection.createStatement()) {
            statement.execute(sql);
            return "done";
        } catch (SQLException error) {
            return error.getSQLState();
        }
    }
}

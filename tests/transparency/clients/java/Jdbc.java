import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.StringReader;
import java.io.StringWriter;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.SQLWarning;
import java.sql.Savepoint;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.postgresql.PGConnection;
import org.postgresql.util.PSQLException;
import org.postgresql.util.ServerErrorMessage;

/** pgjdbc: the conversations on standard input, in its modes, and what tools such as DBeaver ask of its metadata. */
public class Jdbc {
    record Step(String sql, List<Object> params) {}

    interface Body { void run(Connection connection, List<String> told) throws Exception; }

    static final Pattern PLACEHOLDER = Pattern.compile("\\$(\\d+)");

    static Connection connect(Map<String, String> more) throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", System.getenv("PGUSER"));
        properties.setProperty("password", System.getenv("PGPASSWORD"));
        properties.setProperty("sslmode", "disable");
        String database = more.getOrDefault("database", System.getenv("PGDATABASE"));
        more.forEach((name, value) -> { if (!name.equals("database")) properties.setProperty(name, value); });
        String url = "jdbc:postgresql://" + System.getenv("PGHOST") + ":" + System.getenv("PGPORT") + "/" + database;
        return DriverManager.getConnection(url, properties);
    }

    static String failure(SQLException problem) {
        StringBuilder said = new StringBuilder(problem.getClass().getSimpleName() + " " + problem.getSQLState() + ": "
            + problem.getMessage());
        ServerErrorMessage server = problem instanceof PSQLException ours ? ours.getServerErrorMessage() : null;
        if (server != null) {
            said.append(Arrays.asList(server.getSeverity(), server.getDetail(), server.getHint(), server.getPosition(),
                server.getInternalQuery(), server.getWhere(), server.getSchema(), server.getTable(), server.getColumn(),
                server.getDatatype(), server.getConstraint(), server.getFile(), server.getLine(), server.getRoutine()));
        }
        return said.toString();
    }

    static void rows(ResultSet found, List<String> told) throws SQLException {
        ResultSetMetaData about = found.getMetaData();
        List<String> columns = new ArrayList<>();
        for (int at = 1; at <= about.getColumnCount(); at++)
            columns.add(about.getColumnLabel(at) + " " + about.getColumnTypeName(at) + " " + about.getPrecision(at)
                + " " + about.isNullable(at) + " " + about.isAutoIncrement(at) + " " + about.getTableName(at));
        told.add(columns.toString());
        while (found.next()) {
            List<String> row = new ArrayList<>();
            for (int at = 1; at <= about.getColumnCount(); at++) row.add(text(found, about, at));
            told.add(row.toString());
        }
    }

    /** A bytea that came in binary is an array, which as text is its place in memory. */
    static String text(ResultSet found, ResultSetMetaData about, int at) throws SQLException {
        if (!about.getColumnTypeName(at).equals("bytea")) return found.getString(at);
        return Arrays.toString(found.getBytes(at));
    }

    static void warnings(Statement statement, List<String> told) throws SQLException {
        for (SQLWarning one = statement.getWarnings(); one != null; one = one.getNextWarning())
            told.add("notice " + failure(one));
    }

    static void execute(Connection connection, Step step, int fetch, List<String> told) throws SQLException {
        List<Object> params = new ArrayList<>();
        Matcher matcher = PLACEHOLDER.matcher(step.sql);
        while (matcher.find() && !step.params.isEmpty())
            params.add(step.params.get(Integer.parseInt(matcher.group(1)) - 1));
        String text = step.params.isEmpty() ? step.sql : matcher.replaceAll("?");
        try (PreparedStatement statement = connection.prepareStatement(text)) {
            statement.setFetchSize(fetch);
            for (int at = 0; at < params.size(); at++) {
                if (params.get(at) instanceof Object[] list)
                    statement.setArray(at + 1, connection.createArrayOf(list[0] instanceof Integer ? "int4" : "text", list));
                else statement.setObject(at + 1, params.get(at));
            }
            boolean isRows = statement.execute();
            while (isRows || statement.getUpdateCount() != -1) {
                if (isRows) rows(statement.getResultSet(), told);
                else told.add("count " + statement.getUpdateCount());
                isRows = statement.getMoreResults();
            }
            warnings(statement, told);
        }
    }

    static void on(Map<String, String> more, List<String> told, Body body) {
        try (Connection connection = connect(more)) {
            body.run(connection, told);
        } catch (SQLException problem) {
            told.add(failure(problem));
        } catch (Exception problem) {
            told.add(problem.toString());
        }
    }

    static void conversation(Connection connection, List<Step> steps, boolean autocommit, int fetch, List<String> told)
            throws SQLException {
        connection.setAutoCommit(autocommit);
        for (Step step : steps) {
            told.add("> " + step.sql);
            try {
                execute(connection, step, fetch, told);
            } catch (SQLException problem) {
                told.add(failure(problem));
                if (!autocommit) connection.rollback();
            }
        }
        if (!autocommit) connection.commit();
    }

    /** What an editor asks when it opens a connection and its tree. */
    static void metadata(Connection connection, List<String> told) throws SQLException {
        DatabaseMetaData about = connection.getMetaData();
        told.add(about.getDatabaseProductVersion() + " " + about.getUserName() + " " + about.getMaxColumnNameLength()
            + " " + about.getSQLKeywords() + " " + about.getDefaultTransactionIsolation());
        rows(about.getCatalogs(), told);
        rows(about.getSchemas(), told);
        rows(about.getTableTypes(), told);
        rows(about.getTables(null, "public", "%", null), told);
        rows(about.getColumns(null, null, "people", "%"), told);
        rows(about.getPrimaryKeys(null, "public", "visits"), told);
        rows(about.getImportedKeys(null, "public", "visits"), told);
        rows(about.getExportedKeys(null, "public", "people"), told);
        rows(about.getIndexInfo(null, "public", "visits", false, true), told);
        rows(about.getFunctions(null, "public", "%"), told);
        rows(about.getProcedures(null, "public", "%"), told);
        rows(about.getFunctionColumns(null, "public", "%", "%"), told);
        rows(about.getUDTs(null, "public", "%", null), told);
        rows(about.getTablePrivileges(null, "public", "visits"), told);
        rows(about.getColumnPrivileges(null, "public", "visits", "%"), told);
        rows(about.getBestRowIdentifier(null, "public", "people", 0, true), told);
        rows(about.getTypeInfo(), told);
        rows(about.getClientInfoProperties(), told);
    }

    static void transactions(Connection connection, List<String> told) throws SQLException {
        connection.setAutoCommit(false);
        try (Statement statement = connection.createStatement()) {
            statement.executeUpdate("insert into scratch (id) values (1)");
            Savepoint point = connection.setSavepoint("a point");
            try {
                statement.executeUpdate("insert into scratch (id) values (1)");
            } catch (SQLException problem) {
                told.add(failure(problem));
            }
            connection.rollback(point);
            rows(statement.executeQuery("select * from scratch"), told);
        }
        connection.rollback();
        for (int level : new int[] {Connection.TRANSACTION_SERIALIZABLE, Connection.TRANSACTION_REPEATABLE_READ}) {
            connection.setTransactionIsolation(level);
            connection.setReadOnly(true);
            told.add(connection.getTransactionIsolation() + " " + connection.isReadOnly());
            connection.rollback();
        }
    }

    static void batches(Connection connection, List<String> told) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement("insert into scratch (id, note) values (?, ?)",
                Statement.RETURN_GENERATED_KEYS)) {
            for (int at = 0; at < 300; at++) {
                statement.setInt(1, at == 299 ? 5 : at);
                statement.setString(2, "note " + at);
                statement.addBatch();
            }
            statement.executeBatch();
        } catch (SQLException problem) {
            told.add(failure(problem));
            if (problem.getNextException() != null) told.add(failure(problem.getNextException()));
        }
        try (Statement statement = connection.createStatement(ResultSet.TYPE_SCROLL_SENSITIVE, ResultSet.CONCUR_UPDATABLE)) {
            rows(statement.executeQuery("select count(*) from scratch"), told);
            told.add("gone " + statement.executeUpdate("delete from scratch"));
            statement.executeUpdate("insert into scratch (id, note) values (1, 'a')");
            ResultSet found = statement.executeQuery("select * from scratch");
            found.next();
            found.updateString("note", "changed in place");
            found.updateRow();
            found.refreshRow();
            told.add(found.getString("note"));
            found.deleteRow();
        }
    }

    static void copies(Connection connection, List<String> told) throws Exception {
        var copies = connection.unwrap(PGConnection.class).getCopyAPI();
        told.add("in " + copies.copyIn("copy scratch from stdin (format csv)", new StringReader("1,a,1\n2,,2\n")));
        StringWriter into = new StringWriter();
        told.add("out " + copies.copyOut("copy scratch to stdout", into) + into);
        try {
            copies.copyIn("copy scratch from stdin (format csv)", new StringReader("x\n"));
        } catch (SQLException problem) {
            told.add(failure(problem));
        }
        try (Statement statement = connection.createStatement()) {
            told.add("gone " + statement.executeUpdate("delete from scratch"));
        }
    }

    static void cancelled(Connection connection, List<String> told) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.setQueryTimeout(1);
            try {
                statement.execute("select pg_sleep(20)");
            } catch (SQLException problem) {
                told.add(failure(problem));
            }
            rows(statement.executeQuery("select 'goes on'"), told);
        }
        told.add("valid " + connection.isValid(5));
        connection.setClientInfo("ApplicationName", "an editor - Main");
        connection.setSchema("other");
        told.add(connection.getSchema() + " " + connection.getCatalog() + " " + connection.getClientInfo());
    }

    static void shown(Connection connection, List<String> told) throws SQLException {
        String names = "name in ('search_path', 'application_name', 'extra_float_digits', 'statement_timeout', 'DateStyle', "
            + "'TimeZone', 'client_encoding', 'default_transaction_read_only')";
        try (Statement statement = connection.createStatement()) {
            rows(statement.executeQuery("select name, setting from pg_settings where " + names + " order by 1"), told);
        }
    }

    static String json(String text) {
        StringBuilder said = new StringBuilder("\"");
        for (char letter : text.toCharArray())
            said.append(letter == '"' || letter == '\\' ? "\\" + letter
                : letter < ' ' ? String.format("\\u%04x", (int) letter) : String.valueOf(letter));
        return said.append('"').toString();
    }

    static void tell(String name, List<String> told) {
        System.out.println("[" + json(name) + ",[" + String.join(",", told.stream().map(Jdbc::json).toList()) + "]]");
    }

    static Object value(String word) {
        String text = word.length() > 1 ? new String(Base64.getDecoder().decode(word.substring(1))) : "";
        return switch (word.charAt(0)) {
            case 'i' -> Integer.valueOf(text);
            case 'l' -> Long.valueOf(text);
            case 'f' -> Double.valueOf(text);
            case 'b' -> Boolean.valueOf(text);
            case 's' -> text;
            case 'I' -> Arrays.stream(text.split("\n")).map(Integer::valueOf).toArray();
            case 'S' -> text.split("\n");
            default -> null;
        };
    }

    static Map<String, List<Step>> given() throws Exception {
        Map<String, List<Step>> conversations = new LinkedHashMap<>();
        List<Step> steps = null;
        BufferedReader reader = new BufferedReader(new InputStreamReader(System.in));
        for (String line = reader.readLine(); line != null; line = reader.readLine()) {
            String[] words = line.split(" ");
            if (words[0].equals("conversation")) {
                steps = new ArrayList<>();
                conversations.put(words[1], steps);
            } else {
                List<Object> params = new ArrayList<>();
                for (int at = 1; at < words.length; at++) params.add(value(words[at]));
                steps.add(new Step((String) value(words[0]), params));
            }
        }
        return conversations;
    }

    public static void main(String[] arguments) throws Exception {
        Map<String, Map<String, String>> modes = new LinkedHashMap<>();
        modes.put("extended", Map.of());
        modes.put("simple", Map.of("preferQueryMode", "simple"));
        modes.put("prepared", Map.of("prepareThreshold", "1", "binaryTransfer", "true"));
        modes.put("forced-binary", Map.of("prepareThreshold", "-1"));
        modes.put("cached", Map.of("preferQueryMode", "extendedCacheEverything", "autosave", "always"));
        Map<String, List<Step>> conversations = given();
        for (var mode : modes.entrySet())
            for (var conversation : conversations.entrySet())
                for (boolean autocommit : mode.getKey().equals("extended") ? new boolean[] {true, false} : new boolean[] {true}) {
                    List<String> told = new ArrayList<>();
                    on(mode.getValue(), told, (connection, into) ->
                        conversation(connection, conversation.getValue(), autocommit, autocommit ? 0 : 7, into));
                    tell(mode.getKey() + (autocommit ? "" : "-portions") + "/" + conversation.getKey(), told);
                }
        Map<String, Body> features = new LinkedHashMap<>();
        features.put("metadata", Jdbc::metadata);
        features.put("transactions", Jdbc::transactions);
        features.put("batches", Jdbc::batches);
        features.put("copies", Jdbc::copies);
        features.put("cancelled", Jdbc::cancelled);
        for (var feature : features.entrySet()) {
            List<String> told = new ArrayList<>();
            on(Map.of(), told, feature.getValue());
            tell("features/" + feature.getKey(), told);
        }
        Map<String, Map<String, String>> starts = new LinkedHashMap<>();
        starts.put("plain", Map.of());
        starts.put("editor", Map.of("ApplicationName", "DBeaver 24.0.0 - Main", "loginTimeout", "20",
            "assumeMinServerVersion", "9.0"));
        starts.put("read-only", Map.of("readOnly", "true", "readOnlyMode", "always"));
        starts.put("options", Map.of("options", "-c statement_timeout=5min -c TimeZone=UTC"));
        starts.put("search-path", Map.of("currentSchema", "other"));
        starts.put("tls-preferred", Map.of("sslmode", "prefer"));
        starts.put("gss-preferred", Map.of("gssEncMode", "prefer"));
        starts.put("primary", Map.of("targetServerType", "primary"));
        starts.put("database", Map.of("database", "other"));
        starts.put("wrong-password", Map.of("password", "wrong"));
        for (var start : starts.entrySet()) {
            List<String> told = new ArrayList<>();
            on(start.getValue(), told, Jdbc::shown);
            tell("startup/" + start.getKey(), told);
        }
    }
}

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.text.SimpleDateFormat;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.zip.GZIPInputStream;
import javax.xml.stream.XMLInputFactory;
import javax.xml.stream.XMLStreamConstants;
import javax.xml.stream.XMLStreamReader;

/**
 * Sends and reads as the Java client library of the protocol does (aci.md 1.2, 1.4, 2.2): percent-encoded pairs under
 * text/plain, multipart with the action in the query, gzip accepted; nothing but HTTP 2xx with text/xml is read, by a streaming parser that
 * knows no namespaces, along literal paths.
 *
 * Usage: java Client.java HOST:PORT. Prints one line for each exchange.
 */
public class Client {
    private static String base;

    public static void main(String[] arguments) throws Exception {
        base = "http://" + arguments[0] + "/";
        Map<String, String> pairs = new LinkedHashMap<>();
        pairs.put("action", "Fetch");
        pairs.put("FetchAction", "Synchronize");
        pairs.put("TaskSections", "docs");
        pairs.put("UserAgent", "a b+é*");
        String token = read(post("", "text/plain; charset=ISO-8859-1", pairs(pairs))).get("/autnresponse/responsedata/token");
        Map<String, String> query = new LinkedHashMap<>();
        query.put("action", "QueueInfo");
        query.put("QueueName", "Fetch");
        query.put("QueueAction", "GetStatus");
        query.put("Token", token);
        Map<String, String> seen = null;
        for (int tries = 0; tries < 600; tries++) {
            seen = read(get("?" + pairs(query)));
            String status = seen.get("/autnresponse/responsedata/actions/action/status");
            if (status.equals("Finished") || status.equals("Error")) break;
            Thread.sleep(50);
        }
        System.out.println("status " + seen.get("/autnresponse/responsedata/actions/action/status"));
        String form = "--b\r\nContent-Disposition: form-data; name=\"TaskSections\"\r\n"
            + "Content-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\ndocs\r\n"
            + "--b\r\nContent-Disposition: form-data; name=\"Config\"; filename=\"c.cfg\"\r\n"
            + "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\nW2RvY3NdCg==\r\n--b--\r\n";
        Map<String, String> started =
            read(post("?action=Fetch&FetchAction=Synchronize", "multipart/form-data; boundary=b", form));
        System.out.println("multipart " + started.get("/autnresponse/response"));
        Map<String, String> version = read(get("action=GetVersion"));
        System.out.println("version " + version.containsKey("/autnresponse/responsedata/autn:version"));
        query.put("QueueAction", "Juggle");
        Map<String, String> error = read(get("?" + pairs(query)));
        String path = "/autnresponse/responsedata/error/";
        SimpleDateFormat date = new SimpleDateFormat("dd MMM yy HH:mm:ss", Locale.ENGLISH);
        long away = Math.abs(System.currentTimeMillis() - date.parse(error.get(path + "errortime")).getTime());
        System.out.println("error " + error.get("/autnresponse/response") + " " + error.get(path + "errorid") + " "
            + error.get(path + "rawerrorid") + " " + error.get(path + "errorcode") + " " + (away < 3600_000L));
    }

    /** As the library encodes: a space is %20 and never a plus. */
    private static String pairs(Map<String, String> pairs) {
        StringBuilder text = new StringBuilder();
        pairs.forEach((name, value) -> text.append(text.length() == 0 ? "" : "&").append(encoded(name)).append('=').append(encoded(value)));
        return text.toString();
    }

    private static String encoded(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
    }

    private static HttpURLConnection get(String target) throws IOException {
        HttpURLConnection connection = (HttpURLConnection) URI.create(base + target).toURL().openConnection();
        connection.setRequestProperty("Accept-Encoding", "gzip, deflate");
        connection.setReadTimeout(60_000);
        return connection;
    }

    private static HttpURLConnection post(String target, String type, String body) throws IOException {
        HttpURLConnection connection = get(target);
        connection.setDoOutput(true);
        connection.setRequestProperty("Content-Type", type);
        connection.getOutputStream().write(body.getBytes(StandardCharsets.UTF_8));
        return connection;
    }

    /** The first text of each path, in document order. */
    private static Map<String, String> read(HttpURLConnection connection) throws Exception {
        int status = connection.getResponseCode();
        if (status < 200 || status >= 300) throw new IOException("HTTP " + status);
        String type = connection.getContentType();
        if (type == null || !type.toLowerCase(Locale.ENGLISH).startsWith("text/xml")) throw new IOException("type " + type);
        boolean isPacked = "gzip".equals(connection.getContentEncoding());
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        (isPacked ? new GZIPInputStream(connection.getInputStream()) : connection.getInputStream()).transferTo(bytes);
        XMLInputFactory factory = XMLInputFactory.newInstance();
        factory.setProperty(XMLInputFactory.IS_NAMESPACE_AWARE, false);
        XMLStreamReader reader = factory.createXMLStreamReader(new ByteArrayInputStream(bytes.toByteArray()));
        Map<String, String> texts = new LinkedHashMap<>();
        StringBuilder path = new StringBuilder();
        StringBuilder text = new StringBuilder();
        while (reader.hasNext()) {
            switch (reader.next()) {
                case XMLStreamConstants.START_ELEMENT -> {
                    path.append('/').append(reader.getLocalName());
                    text.setLength(0);
                }
                case XMLStreamConstants.CHARACTERS -> text.append(reader.getText());
                case XMLStreamConstants.END_ELEMENT -> {
                    texts.putIfAbsent(path.toString(), text.toString());
                    path.setLength(path.lastIndexOf("/"));
                    text.setLength(0);
                }
                default -> { }
            }
        }
        return texts;
    }
}
